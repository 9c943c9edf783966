// SPDX-License-Identifier: MIT

package audit

// OffSwitch says that somebody switched enforcement off, or that it is on again.
// It is written as disabled or enabled.
type OffSwitch struct {
	On       bool
	At       uint64 // boottime of the change in nanoseconds
	CgroupID uint64 // whose binding is concerned; 0: the whole node
	Until    uint64 // boottime at which the kernel ends it; of disabled only
	Expired  bool   // it is on again because its time was over: nobody did it
	UID, PID uint32 // who did it
	Comm     []byte
	Reason   string
}

// Kind implements Record.
func (s *OffSwitch) Kind() string {
	if s.On {
		return KindEnabled
	}
	return KindDisabled
}

func (*OffSwitch) critical() bool { return true }

func (s *OffSwitch) appendFields(e *encoder) {
	scope := "node"
	if s.CgroupID != 0 {
		scope = "binding"
	}
	e.name("scope", scope)
	e.uint("cgroup_id", s.CgroupID)
	e.uint("at", s.At)
	if !s.On {
		e.uint("until", s.Until)
	}
	if !s.Expired {
		e.open("by")
		e.uint("uid", uint64(s.UID))
		e.uint("pid", uint64(s.PID))
		text(e, "comm", s.Comm, false)
		e.close()
	}
	text(e, "reason", s.Reason, true)
}

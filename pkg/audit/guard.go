// SPDX-License-Identifier: MIT

package audit

// Guard says that a process which no policy gates touched what enforcement or
// this log stand on: the agent's maps, programs, links, pins, directories,
// sockets or process. It is written as guard.denied or guard.allowed. What a
// gated process tries is a Decision, of rule builtin/self-protection.
type Guard struct {
	Verdict Verdict // Deny or Allow
	Hook    string  // as in Decision

	CPU        uint32
	KSeq       uint64
	KernelTime uint64

	Object   string // "map", "program", "link", "process", "file", "mount" or "socket"
	ObjectID uint64 // of a map, program, link or process; inode number of a directory
	Subject  []byte // its name; of a file, its path as far as it is known
	Detail   uint32 // signal, open flags or mode of access, as the hook has it
	// Why it was allowed: "administrator", from the host's mount namespace;
	// "takeover", while no agent was alive.
	Why string
	// Held is how many from the same cgroup went before that were only counted.
	Held  uint64
	Errno uint16

	Process  Process
	Parent   Parent
	CgroupID uint64
}

func (g *Guard) Kind() string {
	if g.Verdict == Deny {
		return KindGuardDenied
	}
	return KindGuardAllowed
}

func (*Guard) critical() bool { return true }

func (g *Guard) appendFields(e *encoder) {
	e.name("verdict", string(g.Verdict))
	e.name("hook", g.Hook)
	e.uint("cpu", uint64(g.CPU))
	e.uint("kseq", g.KSeq)
	e.uint("ktime", g.KernelTime)
	e.name("object", g.Object)
	e.uint("object_id", g.ObjectID)
	text(e, "subject", g.Subject, true)
	e.uint("detail", uint64(g.Detail))
	text(e, "why", g.Why, false)
	e.uint("held", g.Held)
	if g.Errno != 0 {
		e.uint("errno", uint64(g.Errno))
	}
	g.Process.appendTo(e)
	g.Parent.appendTo(e)
	e.uint("cgroup_id", g.CgroupID)
}

// GuardHeld says how many such acts on a CPU have been counted only, because one
// cgroup did more of them than are recorded, since the last such record.
type GuardHeld struct {
	CPU   uint32
	Count uint64
}

func (*GuardHeld) Kind() string   { return KindGuardHeld }
func (*GuardHeld) critical() bool { return false }

func (g *GuardHeld) appendFields(e *encoder) {
	e.uint("cpu", uint64(g.CPU))
	e.uint("count", g.Count)
}

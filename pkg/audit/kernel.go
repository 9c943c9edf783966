// SPDX-License-Identifier: MIT

package audit

// The records of this file let a verifier balance the log against the kernel:
// see section 6 of the format.

// CPUCounters are the kernel's counters of one CPU since the programs were
// loaded.
type CPUCounters struct {
	CPU     uint32
	Seq     uint64 // last kernel sequence number taken
	Emitted uint64 // events put into the ring
	Counted uint64 // allows counted in the map; they take no sequence number
	Lost    uint64 // sequence numbers taken for events that the ring refused
}

// AgentStart is the agent's first record after [Open].
type AgentStart struct {
	Version string
	Config  Hash     // of the configuration in force
	LSM     []string // active LSMs in their order
	Kernel  string   // release
	PID     uint32

	// LoadID names this load of the kernel programs. Kernel sequence numbers
	// run on across agent restarts with the same load id and begin at 1 with a
	// new one. Empty: new with every agent.start.
	LoadID string
	// Counters as found. If the log has not seen this load before, numbers up
	// to Seq are not expected in it. Nil for programs just loaded.
	CPUs []CPUCounters
	// Adopted says that the programs and whom they gate were there already: they
	// enforced while no agent recorded.
	Adopted bool
}

func (*AgentStart) Kind() string   { return KindAgentStart }
func (*AgentStart) critical() bool { return true }

func (a *AgentStart) appendFields(e *encoder) {
	text(e, "version", a.Version, true)
	text(e, "kernel", a.Kernel, false)
	e.uint("pid", uint64(a.PID))
	e.hash("config", a.Config)
	e.list("lsm", len(a.LSM), func(i int) { appendQuoted(e, a.LSM[i]) })
	text(e, "load_id", a.LoadID, false)
	appendCPUs(e, a.CPUs)
	if a.Adopted {
		e.key("adopted")
		e.b = append(e.b, "true"...)
	}
}

// AgentStop is the agent's last record.
type AgentStop struct {
	Reason string
	// Counters read after enforcement ended and before the ring was drained
	// for the last time: every number up to Seq is in the log or declared lost.
	CPUs []CPUCounters
}

func (*AgentStop) Kind() string   { return KindAgentStop }
func (*AgentStop) critical() bool { return true }

func (a *AgentStop) appendFields(e *encoder) {
	text(e, "reason", a.Reason, true)
	appendCPUs(e, a.CPUs)
}

func (a *AgentStop) split() []Record {
	var out []Record
	rest := a.CPUs
	for len(rest) > maxCPUs {
		out = append(out, &Heartbeat{CPUs: rest[:maxCPUs], Final: true})
		rest = rest[maxCPUs:]
	}
	if out == nil {
		return nil
	}
	return append(out, &AgentStop{Reason: a.Reason, CPUs: rest})
}

// Heartbeat is written every few seconds even when nothing happens.
type Heartbeat struct {
	CPUs []CPUCounters
	// Final says that the ring was drained after the counters were read, so
	// that every number up to Seq is already in the log or declared lost.
	// Otherwise that holds only at the next heartbeat.
	Final bool
}

func (*Heartbeat) Kind() string   { return KindHeartbeat }
func (*Heartbeat) critical() bool { return false }

func (h *Heartbeat) appendFields(e *encoder) {
	if h.Final {
		e.key("final")
		e.b = append(e.b, "true"...)
	}
	appendCPUs(e, h.CPUs)
}

func (h *Heartbeat) split() []Record {
	if len(h.CPUs) <= maxCPUs {
		return nil
	}
	var out []Record
	for rest := h.CPUs; len(rest) > 0; {
		n := min(len(rest), maxCPUs)
		out = append(out, &Heartbeat{CPUs: rest[:n], Final: h.Final})
		rest = rest[n:]
	}
	return out
}

// SeqRange is a closed range of kernel sequence numbers.
type SeqRange struct{ From, To uint64 }

// Loss declares decisions that are not in the log one by one.
type Loss struct {
	CPU    uint32
	Hook   string
	Reason string     // "ring-full", "queue-full", "agent-restart", ...
	Ranges []SeqRange // which numbers, where they are known
	Count  uint64     // how many more, where they are not
	// Counted is how many allows were counted in the map and not written: they
	// have no numbers.
	Counted uint64
}

func (*Loss) Kind() string   { return KindLoss }
func (*Loss) critical() bool { return true }

func (l *Loss) appendFields(e *encoder) {
	e.uint("cpu", uint64(l.CPU))
	text(e, "hook", l.Hook, false)
	text(e, "reason", l.Reason, true)
	e.list("ranges", len(l.Ranges), func(i int) {
		e.b = append(e.b, '[')
		e.b = appendUint(e.b, l.Ranges[i].From)
		e.b = append(e.b, ',')
		e.b = appendUint(e.b, l.Ranges[i].To)
		e.b = append(e.b, ']')
	})
	e.uint("count", l.Count)
	if l.Counted > 0 {
		e.uint("counted", l.Counted)
	}
}

func (l *Loss) split() []Record {
	if len(l.Ranges) <= maxRanges {
		return nil
	}
	var out []Record
	part := *l
	for rest := l.Ranges; len(rest) > 0; {
		n := min(len(rest), maxRanges)
		part.Ranges = rest[:n]
		p := part
		out = append(out, &p)
		part.Count, part.Counted = 0, 0
		rest = rest[n:]
	}
	return out
}

// Longest lists in one line; even with 20-digit numbers they fit MaxRecord.
const (
	maxCPUs   = 100
	maxRanges = 200
)

func appendCPUs(e *encoder, cpus []CPUCounters) {
	if len(cpus) == 0 {
		return
	}
	e.list("cpus", len(cpus), func(i int) {
		c := &cpus[i]
		e.b = append(e.b, '{')
		e.uint("cpu", uint64(c.CPU))
		e.uint("seq", c.Seq)
		e.uint("emitted", c.Emitted)
		e.uint("counted", c.Counted)
		e.uint("lost", c.Lost)
		e.close()
	})
}

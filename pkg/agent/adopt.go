package agent

import (
	"fmt"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// adopt goes on with programs that enforced before this recording: with the
// numbers of those that this log knows, else from where they are now. It says
// so by start, whose load id must be set. What an agent before this one took
// from the kernel and did not live to write is declared lost: numbers with the
// next heartbeat, since a task may have just taken one, counts at once.
func (r *recording) adopt(start *audit.AgentStart) error {
	before, err := r.kernel.Stats()
	if err != nil {
		return err
	}
	start.Adopted = true
	found := r.log.Found()
	switch {
	case found.LoadID == start.LoadID:
		r.rec.Continue(found, before)
	case r.log.Born():
		// The log before this one is not here: what was numbered belongs to it.
		start.CPUs = auditCounters(before)
		r.rec.From(before)
		found = audit.Standing{LoadID: start.LoadID}
		for _, c := range before {
			found.CPUs = append(found.CPUs, audit.CPUStanding{CPU: uint32(c.CPU), CountedBase: c.Counted})
		}
	default:
		// The agent before died before its first record was durable.
		found = audit.Standing{LoadID: start.LoadID}
		r.rec.Continue(found, before)
	}
	// No counters in it otherwise: they would confirm numbers whose loss is not declared yet.
	if err := r.log.Append(start); err != nil {
		return fmt.Errorf("append start: %w", err)
	}
	r.prev = before
	r.counts = newCountedBalance(found)
	if err := r.takeCounted(); err != nil {
		return err
	}
	after, err := r.kernel.Stats()
	if err != nil {
		return err
	}
	if n := r.counts.settle(before, after); n > 0 {
		return r.rec.countsLost(n)
	}
	return nil
}

// countedBalance holds counted allows, which have no numbers, against the
// kernel's totals.
type countedBalance struct {
	base  map[uint32]uint64 // of the kernel's totals: not this log's
	known uint64            // written or declared lost
	slack uint64            // how many more may have been lost with an earlier agent
}

func newCountedBalance(s audit.Standing) countedBalance {
	b := countedBalance{base: map[uint32]uint64{}, known: s.Counted}
	for _, c := range s.CPUs {
		b.base[c.CPU] = c.CountedBase
	}
	return b
}

func (b *countedBalance) add(cs []loader.Counted) {
	for _, c := range cs {
		b.known += c.Count
	}
}

// beyond is how far the kernel's totals are beyond what is known.
func (b *countedBalance) beyond(stats []loader.CPUStats) uint64 {
	var n uint64
	for _, c := range stats {
		n += c.Counted - min(c.Counted, b.base[uint32(c.CPU)])
	}
	return n - min(n, b.known)
}

// settle says how many counts an earlier agent lost at least, with totals from
// before and after what was in the kernel was taken. Allows that were counted
// between these are in doubt until the end.
func (b *countedBalance) settle(before, after []loader.CPUStats) uint64 {
	least, most := b.beyond(before), b.beyond(after)
	b.known += least
	b.slack = most - least
	return least
}

// rest says how many of those in doubt were lost, with totals at rest.
func (b *countedBalance) rest(stats []loader.CPUStats) uint64 {
	n := min(b.beyond(stats), b.slack)
	b.known += n
	b.slack -= n
	return n
}

// SPDX-License-Identifier: MIT

package audit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// account is the state of an accountant as a record, so that the balance of a
// load needs no segment before this one; section 6 of the format.
type account struct {
	LoadID   string
	LoadBoot string
	Counted  uint64
	CPUs     []carriedCPU
}

// carriedCPU is a cpuAccount as it stands in a line.
type carriedCPU struct {
	CPU          uint32      `json:"cpu"`
	Base         uint64      `json:"base"`
	Last         uint64      `json:"last"`
	Reported     uint64      `json:"reported"`
	Confirmed    uint64      `json:"confirmed"`
	CountedBase  uint64      `json:"counted_base"`
	CountedFinal uint64      `json:"counted_final"`
	Seen         uint64      `json:"seen"`
	Declared     uint64      `json:"declared"`
	Unranged     uint64      `json:"unranged"`
	GivenUp      uint64      `json:"given_up"`
	GivenUpTo    uint64      `json:"given_up_to"`
	Missing      [][2]uint64 `json:"missing"`
}

func (*account) Kind() string   { return KindAccount }
func (*account) critical() bool { return false }

func (a *account) appendFields(e *encoder) {
	text(e, "load_id", a.LoadID, true)
	text(e, "load_boot", a.LoadBoot, true)
	e.uint("counted", a.Counted)
	e.list("cpus", len(a.CPUs), func(i int) {
		c := &a.CPUs[i]
		e.b = append(e.b, '{')
		e.uint("cpu", uint64(c.CPU))
		e.uint("base", c.Base)
		e.uint("last", c.Last)
		e.uint("reported", c.Reported)
		e.uint("confirmed", c.Confirmed)
		e.uint("counted_base", c.CountedBase)
		e.uint("counted_final", c.CountedFinal)
		e.uint("seen", c.Seen)
		e.uint("declared", c.Declared)
		e.uint("unranged", c.Unranged)
		if c.GivenUp > 0 {
			e.uint("given_up", c.GivenUp)
			e.uint("given_up_to", c.GivenUpTo)
		}
		e.list("missing", len(c.Missing), func(j int) {
			e.b = appendUint(append(e.b, '['), c.Missing[j][0])
			e.b = append(appendUint(append(e.b, ','), c.Missing[j][1]), ']')
		})
		e.close()
	})
}

// A record of accounts is filled up to about this many bytes.
const (
	accountRoom  = 12 << 10
	accountCPU   = 300
	accountRange = 44
)

// snapshot is the accountant's state as records, at least one.
func (a *accountant) snapshot() []Record {
	fresh := func() *account { return &account{LoadID: a.load, LoadBoot: a.boot} }
	part := fresh()
	part.Counted = a.countedLog + a.countedLost
	out := []Record{part}
	room := accountRoom
	for _, n := range slices.Sorted(maps.Keys(a.cpus)) {
		c := a.cpus[n]
		k := carriedCPU{
			CPU: n, Base: c.base, Last: c.last(), Reported: c.reported, Confirmed: c.confirmed,
			CountedBase: c.countedBase, CountedFinal: c.countedFinal, Seen: c.seen, Declared: c.declared, Unranged: c.unranged, GivenUp: c.set.givenUp, GivenUpTo: c.set.givenUpTo,
		}
		for missing := c.gaps(); ; {
			if room < accountCPU+accountRange {
				part, room = fresh(), accountRoom
				out = append(out, part)
			}
			fit := min(len(missing), (room-accountCPU)/accountRange)
			k.Missing, missing = missing[:fit], missing[fit:]
			part.CPUs = append(part.CPUs, k)
			room -= accountCPU + fit*accountRange
			if len(missing) == 0 {
				break
			}
			k = carriedCPU{CPU: n}
		}
	}
	return out
}

// last is the highest number that was seen or declared lost.
func (c *cpuAccount) last() uint64 {
	if n := len(c.set.r); n > 0 {
		return max(c.base, c.set.r[n-1].To)
	}
	return c.base
}

// gaps are the numbers above the base and below the last that were neither seen
// nor declared.
func (c *cpuAccount) gaps() [][2]uint64 {
	var out [][2]uint64
	next := c.base + 1
	for _, r := range c.set.r {
		if r.To < next {
			continue
		}
		if r.From > next {
			out = append(out, [2]uint64{next, r.From - 1})
		}
		next = r.To + 1
	}
	return out
}

// carry takes an account record's state over.
func (a *accountant) carry(line []byte) error {
	var r struct {
		LoadID   string       `json:"load_id"`
		LoadBoot string       `json:"load_boot"`
		Counted  uint64       `json:"counted"`
		CPUs     []carriedCPU `json:"cpus"`
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	a.boot, a.load, a.started = r.LoadBoot, r.LoadID, true
	a.countedLog += r.Counted
	for _, k := range r.CPUs {
		if k.CPU >= maxCPU || max(k.Base, k.Last, k.Reported, k.Confirmed) > maxSeq || k.Last != 0 && k.Last < k.Base {
			return fmt.Errorf("account of cpu %d cannot be", k.CPU)
		}
		known := a.cpus[k.CPU] != nil // the record goes on with its missing numbers
		c := a.cpu(k.CPU)
		if !known {
			c.base, c.reported, c.confirmed = k.Base, k.Reported, k.Confirmed
			c.countedBase, c.countedFinal = k.CountedBase, k.CountedFinal
			c.seen, c.declared, c.unranged = k.Seen, k.Declared, k.Unranged
			c.set = rangeSet{givenUp: k.GivenUp, givenUpTo: k.GivenUpTo}
			c.set.add(k.Base+1, k.Last)
		}
		for _, m := range k.Missing {
			if m[0] <= c.base || m[0] > m[1] || m[1] >= c.last() {
				return fmt.Errorf("account of cpu %d misses numbers that it cannot", k.CPU)
			}
			c.set.cut(m[0], m[1])
		}
	}
	return nil
}

// cut takes from..to, which are within one range, out of the set.
func (s *rangeSet) cut(from, to uint64) {
	for i := len(s.r) - 1; i >= 0; i-- {
		r := s.r[i]
		if r.From > from || r.To < to {
			continue
		}
		var left []SeqRange
		if r.From < from {
			left = append(left, SeqRange{r.From, from - 1})
		}
		if to < r.To {
			left = append(left, SeqRange{to + 1, r.To})
		}
		s.r = slices.Replace(s.r, i, i+1, left...)
		return
	}
}

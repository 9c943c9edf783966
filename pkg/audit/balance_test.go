// SPDX-License-Identifier: MIT

package audit

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Section 6 of the format.
func TestBalance(t *testing.T) {
	seen := func(seqs ...uint64) (out []Record) {
		for _, n := range seqs {
			out = append(out, decision(n))
		}
		return out
	}
	cpu0 := func(seq, counted uint64) []CPUCounters { return []CPUCounters{{Seq: seq, Counted: counted}} }
	start := &AgentStart{LoadID: "l1"}
	join := func(parts ...any) (out []Record) {
		for _, p := range parts {
			switch p := p.(type) {
			case Record:
				out = append(out, p)
			case []Record:
				out = append(out, p...)
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		recs                          []Record
		exit                          int
		unexplained, open, rep, loads uint64
	}{
		"all there, out of order":           {join(start, seen(2, 1, 3), &AgentStop{CPUs: cpu0(3, 0)}), ExitProven, 0, 0, 0, 1},
		"a touch takes a number too":        {join(start, seen(1), &Guard{Verdict: Deny, KSeq: 2}, &Guard{Verdict: Allow, KSeq: 3}, &GuardHeld{Count: 9}, &AgentStop{CPUs: cpu0(3, 0)}), ExitProven, 0, 0, 0, 1},
		"one missing at stop":               {join(start, seen(1, 3), &AgentStop{CPUs: cpu0(3, 0)}), ExitLoss, 1, 0, 0, 1},
		"one missing, declared":             {join(start, seen(1, 3), &Loss{Ranges: []SeqRange{{2, 2}}}, &AgentStop{CPUs: cpu0(3, 0)}), ExitProven, 0, 0, 0, 1},
		"two missing, counted as lost":      {join(start, seen(1, 4), &Loss{Count: 2}, &AgentStop{CPUs: cpu0(4, 0)}), ExitProven, 0, 0, 0, 1},
		"two missing, one declared":         {join(start, seen(1, 4), &Loss{Count: 1}, &AgentStop{CPUs: cpu0(4, 0)}), ExitLoss, 1, 0, 0, 1},
		"a gap no heartbeat confirms":       {join(start, seen(1, 3)), ExitProven, 0, 1, 0, 1},
		"a gap one heartbeat reports":       {join(start, seen(1, 3), &Heartbeat{CPUs: cpu0(3, 0)}), ExitProven, 0, 1, 0, 1},
		"a gap the next heartbeat confirms": {join(start, seen(1, 3), &Heartbeat{CPUs: cpu0(3, 0)}, &Heartbeat{CPUs: cpu0(9, 0)}), ExitLoss, 1, 6, 0, 1},
		"late numbers close a gap":          {join(start, seen(1, 3), &Heartbeat{CPUs: cpu0(3, 0)}, &Heartbeat{CPUs: cpu0(3, 0)}, seen(2)), ExitProven, 0, 0, 0, 1},
		"a final heartbeat confirms itself": {join(start, seen(1), &Heartbeat{CPUs: cpu0(2, 0), Final: true}), ExitLoss, 1, 0, 0, 1},
		"a number twice":                    {join(start, seen(1, 2, 2), &AgentStop{CPUs: cpu0(2, 0)}), ExitProven, 0, 0, 1, 1},
		"a new load begins at one":          {join(start, seen(1, 2), &AgentStop{CPUs: cpu0(2, 0)}, &AgentStart{LoadID: "l2"}, seen(1), &AgentStop{CPUs: cpu0(1, 0)}), ExitProven, 0, 0, 0, 2},
		"no load id is a new load":          {join(&AgentStart{}, seen(1), &AgentStart{}, seen(1)), ExitProven, 0, 0, 0, 2},
		"a load goes on after a restart":    {join(start, seen(1, 2), &AgentStart{LoadID: "l1", CPUs: cpu0(4, 0)}, seen(4), &AgentStop{CPUs: cpu0(4, 0)}), ExitLoss, 1, 0, 0, 1},
		"a log begun under a running load":  {join(&AgentStart{LoadID: "l1", CPUs: cpu0(100, 50)}, seen(101), &AgentStop{CPUs: cpu0(101, 50)}), ExitProven, 0, 0, 0, 1},
		"counted allows add up":             {join(start, &Counted{Count: 7}, &Counted{Count: 3}, &AgentStop{CPUs: cpu0(0, 10)}), ExitProven, 0, 0, 0, 1},
		"a counted allow is missing":        {join(start, &Counted{Count: 7}, &AgentStop{CPUs: cpu0(0, 10)}), ExitLoss, 3, 0, 0, 1},
		"a counted allow is declared lost":  {join(start, &Counted{Count: 7}, &Loss{Counted: 3}, &AgentStop{CPUs: cpu0(0, 10)}), ExitProven, 0, 0, 0, 1},
		"too few of them declared lost":     {join(start, &Counted{Count: 7}, &Loss{Counted: 2}, &AgentStop{CPUs: cpu0(0, 10)}), ExitLoss, 1, 0, 0, 1},
		"lost counts explain no number":     {join(start, seen(1, 3), &Loss{Counted: 1}, &AgentStop{CPUs: cpu0(3, 0)}), ExitLoss, 1, 0, 0, 1},
		"an adopting agent without numbers": {join(start, seen(1), &Heartbeat{CPUs: cpu0(2, 0)}, &AgentStart{LoadID: "l1", Adopted: true}), ExitProven, 0, 1, 0, 1},
		"decisions of the agent itself":     {join(start, seen(0, 0), &AgentStop{CPUs: cpu0(0, 0)}), ExitProven, 0, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemFS(nil)
			l := openMem(t, m)
			for _, rec := range c.recs {
				check(t, l.Append(rec))
			}
			check(t, l.Close(t.Context()))
			r := verifyMem(t, m)
			b := r.Balance
			if r.ExitCode() != c.exit || b.Unexplained != c.unexplained || b.Open != c.open || b.Repeated != c.rep || b.Loads != int(c.loads) {
				t.Errorf("exit %d, want %d; %+v", r.ExitCode(), c.exit, b)
			}
		})
	}
}

func TestRangeSetAgainstAPlainSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var s rangeSet
		plain := map[uint64]bool{}
		for range 60 {
			from := 1 + rng.Uint64N(200)
			to := from + rng.Uint64N(6)
			var had uint64
			for n := from; n <= to; n++ {
				if plain[n] {
					had++
				}
				plain[n] = true
			}
			if got := s.add(from, to); got != had {
				t.Fatalf("add %d to %d: %d were there, want %d", from, to, got, had)
			}
		}
		from, to := 1+rng.Uint64N(50), 100+rng.Uint64N(120)
		var missing uint64
		for n := from; n <= to; n++ {
			if !plain[n] {
				missing++
			}
		}
		if got, _ := s.missing(from, to); got != missing {
			t.Fatalf("%d of %d to %d missing, want %d", got, from, to, missing)
		}
	}
}

func TestRangeSetIsBounded(t *testing.T) {
	var s rangeSet
	const n = 3 * maxGaps
	for i := range uint64(n) {
		s.add(2*i+2, 2*i+2) // every odd number is missing
	}
	if got, _ := s.missing(1, 2*n); got != n || len(s.r) > maxGaps {
		t.Errorf("%d missing, want %d, in %d ranges", got, n, len(s.r))
	}
}

// The report has a line for each load and boot, and for the CPUs that matter.
func TestBalanceIsPrinted(t *testing.T) {
	m := newMemFS(nil)
	l := openMem(t, m)
	for _, r := range []Record{
		&AgentStart{LoadID: "load-one"}, decision(1), &AgentStop{CPUs: []CPUCounters{{Seq: 2}, {CPU: 1}}},
		&AgentStart{LoadID: "load-two"}, decision(1), &Counted{Count: 3}, &AgentStop{CPUs: []CPUCounters{{Seq: 1, Counted: 3}}},
	} {
		check(t, l.Append(r))
	}
	check(t, l.Close(t.Context()))
	var out strings.Builder
	r := verifyMem(t, m)
	check(t, r.WriteText(&out, false))
	for _, want := range []string{
		"boot boot-1, load load-one, 2 cpus: 1 in the log, 0 declared lost, 1 unexplained", "cpu 0, to 2: 1 in the log, 0 declared lost, 1 unexplained, 0 open, first gap 2 to 2",
		"boot boot-1, load load-two, 1 cpus: 1 in the log, 0 declared lost, 0 unexplained, 0 open; allows counted 3, by the kernel 3", "cpu 0, to 1: 1 in the log",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "cpu 1,") || len(r.Balance.CPUs) != 3 || len(r.Balance.ByLoad) != 2 {
		t.Errorf("%s%+v", out.String(), r.Balance)
	}
}

func TestBalanceListsAreBounded(t *testing.T) {
	var a accountant
	for i := range 3 * maxListed {
		a.enter(fmt.Sprint(i))
		a.decision(0, 1)
		if i%2 == 0 {
			a.counters([]cpuCounters{{Seq: 2}}, true)
		}
	}
	a.closeLoad()
	if n := len(a.total.ByLoad); n > 2*maxListed || a.total.Loads != 3*maxListed || a.total.Unexplained != 3*maxListed/2 {
		t.Errorf("%d loads listed, %+v", n, a.total.Unexplained)
	}
}

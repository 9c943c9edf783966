package agent

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// ranges is a set of numbers as ranges.
func ranges(set map[uint64]bool, last uint64) []audit.SeqRange {
	var out []audit.SeqRange
	for n := uint64(1); n <= last; n++ {
		if set[n] {
			out = addSeq(out, n)
		}
	}
	return out
}

// merge joins ranges that touch: the tracker may give them apart.
func merge(rs []audit.SeqRange) []audit.SeqRange {
	var out []audit.SeqRange
	for _, r := range rs {
		if k := len(out); k > 0 && out[k-1].To+1 == r.From {
			out[k-1].To = r.To
			continue
		}
		out = append(out, r)
	}
	return out
}

// TestSequence holds the tracker against a set of numbers: they come out of
// order, twice, late and never; each missing one is declared exactly once.
func TestSequence(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := &sequence{next: 1}
		open := map[uint64]bool{} // taken by the kernel, has neither come nor been declared
		taken, confirmed := uint64(0), uint64(0)
		declared := map[uint64]int{}
		var queue []uint64
		for range 200 {
			switch k := rnd.IntN(20); {
			case k < 9: // the kernel takes a number; mostly it gets into the ring
				taken++
				open[taken] = true
				if rnd.IntN(5) > 0 {
					queue = append(queue, taken)
				}
			case k < 18 && len(queue) > 0: // one comes, not always the oldest
				i := rnd.IntN(min(len(queue), 4))
				n := queue[i]
				queue = append(queue[:i], queue[i+1:]...)
				s.add(n)
				delete(open, n)
				if rnd.IntN(20) == 0 {
					s.add(n)
				}
			case k == 19: // a heartbeat gives up what was taken before the last one
				want := map[uint64]bool{}
				for n := range open {
					if n <= confirmed {
						want[n] = true
						delete(open, n)
						declared[n]++
					}
				}
				got := merge(s.missing(confirmed))
				if d := cmp.Diff(ranges(want, confirmed), got); d != "" {
					t.Fatalf("seed %d, up to %d (-want +got):\n%s", seed, confirmed, d)
				}
				confirmed = taken
			}
		}
		for _, n := range queue {
			s.add(n)
			delete(open, n)
		}
		got := merge(s.missing(taken))
		if d := cmp.Diff(ranges(open, taken), got); d != "" {
			t.Fatalf("seed %d, in the end (-want +got):\n%s", seed, d)
		}
		for n, k := range declared {
			if k != 1 {
				t.Fatalf("seed %d: %d declared %d times", seed, n, k)
			}
		}
		if again := s.missing(taken); len(again) != 0 {
			t.Fatalf("seed %d: %v declared again", seed, again)
		}
		for i, g := range s.gaps {
			if g.From > g.To || i > 0 && s.gaps[i-1].To >= g.From {
				t.Fatalf("seed %d: gaps %v", seed, s.gaps)
			}
		}
	}
}

package agent

import (
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// sequence tracks which kernel sequence numbers of one CPU have come. Ring
// order is not sequence order, so a number that is skipped may still come.
type sequence struct {
	next uint64           // every number below it has come or is in gaps
	gaps []audit.SeqRange // ascending, disjoint
}

func (s *sequence) add(n uint64) {
	if n >= s.next {
		if n > s.next {
			s.gaps = append(s.gaps, audit.SeqRange{From: s.next, To: n - 1})
		}
		s.next = n + 1
		return
	}
	// The newest gaps close first.
	for i := len(s.gaps) - 1; i >= 0; i-- {
		g := &s.gaps[i]
		switch {
		case n < g.From:
			continue
		case n > g.To:
			return
		case g.From == g.To:
			s.gaps = slices.Delete(s.gaps, i, i+1)
		case n == g.From:
			g.From++
		case n == g.To:
			g.To--
		default:
			s.gaps = slices.Insert(s.gaps, i+1, audit.SeqRange{From: n + 1, To: g.To})
			s.gaps[i].To = n - 1
		}
		return
	}
}

// missing returns the numbers up to last that have not come, and gives them up.
func (s *sequence) missing(last uint64) []audit.SeqRange {
	if last >= s.next {
		s.gaps = append(s.gaps, audit.SeqRange{From: s.next, To: last})
		s.next = last + 1
	}
	var out, rest []audit.SeqRange
	for _, g := range s.gaps {
		switch {
		case g.To <= last:
			out = append(out, g)
		case g.From > last:
			rest = append(rest, g)
		default:
			out = append(out, audit.SeqRange{From: g.From, To: last})
			rest = append(rest, audit.SeqRange{From: last + 1, To: g.To})
		}
	}
	s.gaps = rest
	return out
}

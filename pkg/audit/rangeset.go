// SPDX-License-Identifier: MIT

package audit

import (
	"slices"
	"sort"
)

// maxGaps bounds a rangeSet's memory. Rings deliver numbers nearly in order, so
// a real log needs a handful.
const maxGaps = 4096

// rangeSet is a set of numbers, kept as ascending ranges that do not touch.
type rangeSet struct {
	r []SeqRange
	// Beyond maxGaps the lowest gap is given up: it stays missing even if its
	// numbers arrive later.
	givenUp   uint64 // numbers in such gaps
	givenUpTo uint64 // highest of them
}

// add puts from..to into the set and returns how many of them were in it.
func (s *rangeSet) add(from, to uint64) (had uint64) {
	if from > to {
		return 0
	}
	n := len(s.r)
	if n > 0 && from == s.r[n-1].To+1 { // by far the most frequent case
		s.r[n-1].To = to
		return 0
	}
	i := sort.Search(n, func(i int) bool { return s.r[i].To+1 >= from })
	j := i
	merged := SeqRange{from, to}
	for ; j < n && s.r[j].From <= to+1; j++ {
		lo, hi := max(s.r[j].From, from), min(s.r[j].To, to)
		if lo <= hi {
			had += hi - lo + 1
		}
		merged.From, merged.To = min(merged.From, s.r[j].From), max(merged.To, s.r[j].To)
	}
	s.r = slices.Replace(s.r, i, j, merged)
	if len(s.r) > maxGaps {
		s.givenUp += s.r[1].From - s.r[0].To - 1
		s.givenUpTo = s.r[1].From - 1
		s.r = slices.Replace(s.r, 0, 2, SeqRange{s.r[0].From, s.r[1].To})
	}
	return had
}

// missing counts the numbers from..to that are not in the set, and returns the
// first run of them.
func (s *rangeSet) missing(from, to uint64) (n uint64, first *SeqRange) {
	gap := func(a, b uint64) {
		if a > b {
			return
		}
		if n += b - a + 1; first == nil {
			first = &SeqRange{a, b}
		}
	}
	next := from
	for _, r := range s.r {
		if r.From > to {
			break
		}
		if r.To < next {
			continue
		}
		if r.From > next {
			gap(next, r.From-1)
		}
		next = r.To + 1
	}
	gap(next, to)
	if s.givenUp > 0 && s.givenUpTo >= from && s.givenUpTo <= to {
		n += s.givenUp
	}
	return n, first
}

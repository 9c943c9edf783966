package policy

import (
	"fmt"
	"slices"
	"strings"
)

// SizeError says that a policy is too large for the tables.
type SizeError struct {
	Kind  Kind
	Rules []string // the rules that cost most, the dearest first
	Err   error
}

// Error names the kind, the reason and the rules to look at.
func (e *SizeError) Error() string {
	s := fmt.Sprintf("compile policy: tables for %s: %v", e.Kind, e.Err)
	if len(e.Rules) > 0 {
		s += "; the rules that cost most: " + strings.Join(e.Rules, ", ")
	}
	if e.Kind == KindAddr {
		return s + "; " + rangesHint
	}
	return s + "; " + rewriteHint
}

// rangesHint is what makes the tables of addresses smaller.
const rangesHint = "name fewer and wider ranges, give ranges beside each other the same ports, or split the policy by pod"

// rewriteHint is what makes tables smaller, the most first.
const rewriteHint = "put a literal directory before the first * or ** of a pattern (patterns that begin with one, contains and endsWith " +
	"multiply with each other and with every name), name a common directory instead of the names in it, or split the policy by pod"

// Unwrap returns the reason.
func (e *SizeError) Unwrap() error { return e.Err }

// tooLarge finds the rules in most states. b is the construction that was
// given up, or nil to run it again.
func (v *verdicts) tooLarge(k Kind, err error, b *subset) error {
	if b == nil {
		b = newSubset(v.rs.gather(k), k, v)
		if _, rerun := b.build(); rerun != nil {
			err = rerun
		}
	}
	cost := b.costs()
	order := make([]int, len(cost))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cost[y] - cost[x] })
	info := v.rs.info()
	e := &SizeError{Kind: k, Err: err}
	for _, i := range order[:min(3, len(order))] {
		if cost[i] > 0 {
			r := info[b.steps[i].num]
			place := ""
			if r.Line > 0 { // what is built in has none
				place = fmt.Sprintf("line %d: ", r.Line)
			}
			e.Rules = append(e.Rules, fmt.Sprintf("%s (%s%s)", r.Name, place, r.Text))
		}
	}
	return e
}

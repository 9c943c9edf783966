package policy

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// AutomatonStats says how large one automaton of the tables is.
type AutomatonStats struct {
	Kind     Kind
	Encoding string // "dense" or "sparse"
	States   int
	Classes  int // bytes that it tells apart
	Units    int // of its encoding
	Bytes    int
}

// Stats returns the automata that the tables have.
func (t *Tables) Stats() []AutomatonStats {
	var out []AutomatonStats
	for k := range Kind(numKinds) {
		m := t.Machine(k)
		if !m.Present() {
			continue
		}
		head := t.Blob[offAutomata+int(k)*automatonSize:]
		out = append(out, AutomatonStats{
			Kind: k, Encoding: m.Encoding(), States: t.States[k], Classes: t.Classes[k],
			Units: int(binary.LittleEndian.Uint32(head[4:])), Bytes: len(m.units),
		})
	}
	return out
}

// RuleCost is the weight of a rule in an automaton as it is built: places in the
// rule's patterns that have to be kept in mind, over all states. What makes
// tables large are rules with much of it.
type RuleCost struct {
	Kind   Kind
	Rule   uint16 // index into Tables.Rules
	Weight int
}

// Costs compiles a policy again and returns what its rules cost, the dearest
// first. The rules of the baseline are among them.
func Costs(p *Policy, o Options) ([]RuleCost, error) {
	rs, err := newRuleSet(p, o)
	if err != nil {
		return nil, err
	}
	v := &verdicts{rs: rs, ids: map[string]int32{}}
	var out []RuleCost
	for _, k := range buildOrder {
		if k.classifies() && len(rs.list(k).steps) == 0 {
			continue
		}
		b := newSubset(rs.gather(k), k, v)
		if _, err := b.build(); err != nil {
			return nil, v.tooLarge(k, err, b)
		}
		for i, weight := range b.costs() {
			if weight > 0 && b.steps[i].rule != nil {
				out = append(out, RuleCost{Kind: k, Rule: b.steps[i].num, Weight: weight})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b RuleCost) int { return cmp.Compare(b.Weight, a.Weight) })
	return out, nil
}

// costs counts, for each step, the nodes in all states of which it is the first
// that may still match.
func (b *subset) costs() []int {
	cost := make([]int, len(b.steps))
	for id := range int32(b.keys.len()) {
		for _, n := range b.keys.at(id) {
			if n >= 0 {
				if o := b.nfa.nodes[n].least; o >= 0 && int(o) < len(cost) {
					cost[o]++
				}
			}
		}
	}
	return cost
}

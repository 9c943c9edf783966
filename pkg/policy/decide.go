package policy

import "slices"

// Besides nodes, a set holds facts that stay true whatever follows, as negative
// numbers: a condition of a step holds, or (wholeStep) the step matches.
const wholeStep = 15 // a step has at most 12 conditions: 6 operators on path and on command

func factOf(order int32, condition uint8) int32 { return -1 - order<<4 - int32(condition) }

func takeFact(n int32) (order int32, condition uint8) {
	n = -1 - n
	return n >> 4, uint8(n & 15)
}

// votes notes which conditions of which steps are met.
type votes struct {
	met   []uint16 // by order
	steps []int32  // those that have any
}

func (v *votes) add(order int32, condition uint8) {
	if v.met[order] == 0 {
		v.steps = append(v.steps, order)
	}
	v.met[order] |= 1 << condition
}

func (v *votes) clear() {
	for _, order := range v.steps {
		v.met[order] = 0
	}
	v.steps = v.steps[:0]
}

// decide finds the verdict of a set of nodes, and drops the nodes that can no
// longer change it: those that lead only to steps behind one that has already
// matched whatever follows, and those that only repeat a fact.
func (b *subset) decide(set []int32) ([]int32, verdictRow) {
	var marks mark
	last := int32(len(b.steps) - 1) // matches everything
	decided := last
	b.votes.clear()
	for _, n := range set {
		if n >= 0 {
			node := &b.nfa.nodes[n]
			marks |= marksOf(node.accept) | marksOf(node.final)
			continue
		}
		order, condition := takeFact(n)
		b.votes.add(order, condition)
		if condition == wholeStep {
			decided = min(decided, b.steps[order].bound(order, last))
		}
	}
	for _, n := range set {
		if n >= 0 {
			decided = min(decided, b.vote(b.nfa.nodes[n].final, marks|unlessExcept))
		}
	}
	set = b.prune(set, decided)
	matched := decided
	for _, n := range set {
		if n >= 0 {
			matched = min(matched, b.vote(b.nfa.nodes[n].accept, marks), b.vote(b.nfa.nodes[n].final, marks))
		}
	}
	row := b.verdict(b.candidates(matched))
	if marks&isLauncher != 0 {
		row.flags |= flagLauncher
	}
	return set, row
}

// prune leaves what still matters when the step decided matches for good. At
// this point votes holds all that is final.
func (b *subset) prune(set []int32, decided int32) []int32 {
	out := set[:0]
	for _, n := range set {
		if n >= 0 && b.nfa.nodes[n].least < decided && !b.onlyFacts(n) {
			out = append(out, n)
		}
	}
	for _, order := range b.votes.steps {
		conditions := b.votes.met[order]
		switch {
		case order >= decided:
		case conditions>>wholeStep != 0:
			out = append(out, factOf(order, wholeStep))
		default:
			for c := uint8(0); c < wholeStep; c++ {
				if conditions>>c&1 != 0 {
					out = append(out, factOf(order, c))
				}
			}
		}
	}
	if b.steps[decided].decides() && !b.steps[decided].always {
		out = append(out, factOf(decided, wholeStep))
	}
	return out
}

// candidates lists, in order, the steps whose subject matches, up to the first
// that nothing else can keep from deciding.
func (b *subset) candidates(decided int32) []int32 {
	out := b.list[:0]
	for _, order := range b.votes.steps {
		if order < decided && b.votes.met[order]>>wholeStep != 0 {
			out = append(out, order)
		}
	}
	slices.Sort(out)
	if b.steps[decided].decides() {
		out = append(out, decided)
	}
	b.list = out
	return out
}

// onlyFacts reports whether all that a node says is in the facts of its set.
func (b *subset) onlyFacts(n int32) bool {
	node := &b.nfa.nodes[n]
	return len(node.final) > 0 && len(node.accept) == 0 && node.bytes == 0 && len(node.eps) == 0 &&
		!slices.ContainsFunc(node.final, func(a accept) bool { return a.order < 0 || a.unless != 0 })
}

func marksOf(accepts []accept) (marks mark) {
	for _, acc := range accepts {
		switch acc.order {
		case launcherOrder:
			marks |= isLauncher
		case metadataOrder:
			marks |= unlessMetadata
		case ipv4Order:
			marks |= unlessIPv4
		case exceptOrder:
			marks |= unlessExcept
		}
	}
	return marks
}

// vote counts the conditions that accepting patterns meet, and notes the steps
// whose conditions are all met. It returns the first order that these leave
// without a say.
func (b *subset) vote(accepts []accept, marks mark) int32 {
	least := int32(len(b.steps) - 1)
	for _, acc := range accepts {
		if acc.order < 0 || acc.unless&marks != 0 {
			continue
		}
		b.votes.add(acc.order, acc.condition)
		if all := uint16(1)<<b.conditions[acc.order] - 1; b.votes.met[acc.order]&all == all {
			b.votes.add(acc.order, wholeStep)
			least = min(least, b.steps[acc.order].bound(acc.order, least))
		}
	}
	return least
}

package policy

import "slices"

// Besides nodes, a set holds facts that stay true whatever follows, as negative
// numbers: a condition of a step holds, or (wholeStep) the step matches.
const wholeStep = 7 // a step has at most 6 conditions, one for each operator

func factOf(order int32, condition uint8) int32 { return -1 - order<<3 - int32(condition) }

func takeFact(n int32) (order int32, condition uint8) {
	n = -1 - n
	return n >> 3, uint8(n & 7)
}

// decide finds the verdict of a set of nodes, and drops the nodes that can no
// longer change it: those that lead only to steps behind one that has already
// matched whatever follows, and those that only repeat a fact.
func (b *subset) decide(set []int32) ([]int32, verdictRow) {
	var marks mark
	last := int32(len(b.steps) - 1) // matches everything
	decided := last
	clear(b.votes)
	for _, n := range set {
		if n >= 0 {
			node := &b.nfa.nodes[n]
			marks |= marksOf(node.accept) | marksOf(node.final)
			continue
		}
		order, condition := takeFact(n)
		if condition == wholeStep {
			decided = min(decided, order)
		} else {
			b.votes[order] |= 1 << condition
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
	row := b.steps[matched].row()
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
	for order, conditions := range b.votes {
		for c := uint8(0); order < decided && c < wholeStep; c++ {
			if conditions>>c&1 != 0 {
				out = append(out, factOf(order, c))
			}
		}
	}
	if decided < int32(len(b.steps)-1) {
		out = append(out, factOf(decided, wholeStep))
	}
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

// vote counts the conditions that accepting patterns meet and returns the
// smallest order whose conditions are all met, among those that it touches.
func (b *subset) vote(accepts []accept, marks mark) int32 {
	least := int32(len(b.steps) - 1)
	for _, acc := range accepts {
		if acc.order < 0 || acc.unless&marks != 0 {
			continue
		}
		b.votes[acc.order] |= 1 << acc.condition
		if b.votes[acc.order] == 1<<b.conditions[acc.order]-1 {
			least = min(least, acc.order)
		}
	}
	return least
}

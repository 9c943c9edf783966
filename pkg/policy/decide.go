package policy

import "slices"

// decide finds the verdict of a set of nodes, and drops the nodes that can no
// longer change it: those that lead only to steps behind one that has already
// matched whatever follows.
func (b *subset) decide(set []int32) ([]int32, verdictRow) {
	var marks mark
	last := int32(len(b.steps) - 1) // matches everything
	decided := last
	for _, n := range set {
		if n < 0 {
			decided = min(decided, -n-1)
			continue
		}
		node := &b.nfa.nodes[n]
		marks |= marksOf(node.accept) | marksOf(node.final)
	}
	clear(b.votes)
	for _, n := range set {
		if n >= 0 {
			decided = min(decided, b.vote(b.nfa.nodes[n].final, marks|unlessExcept))
		}
	}
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
	set = slices.DeleteFunc(set, func(n int32) bool { return n < 0 || b.nfa.nodes[n].least >= decided })
	if decided < last {
		set = append(set, -decided-1)
	}
	return set, row
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

package policy

import "math"

// rank is the first step that the pattern matters to.
func (a accept) rank() int32 {
	if a.order == exceptOrder {
		return a.serves
	}
	return a.order
}

// rank computes for each node the smallest order that can be reached from it.
// All edges but those of loops lead to later nodes.
func (a *nfa) rank() {
	for i := len(a.nodes) - 1; i >= 0; i-- {
		n := &a.nodes[i]
		n.least = math.MaxInt32
		for _, acc := range n.accept {
			n.least = min(n.least, acc.rank())
		}
		for _, acc := range n.final {
			n.least = min(n.least, acc.rank())
		}
		see := func(to int32) {
			if int(to) > i && a.nodes[to].owner < 0 {
				n.least = min(n.least, a.nodes[to].least)
			}
		}
		for e := n.bytes; e != 0; e = a.byteEdges[e].next {
			see(a.byteEdges[e].to)
		}
		for _, e := range n.sets {
			see(e.to)
		}
		for _, to := range n.eps {
			see(to)
		}
	}
	for i := range a.nodes {
		if n := &a.nodes[i]; n.owner >= 0 {
			n.least = a.nodes[n.owner].least
		}
	}
}

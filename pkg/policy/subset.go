package policy

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Limits of the construction, far beyond what fits the largest tables.
const (
	maxStates = 200_000
	maxWork   = 400_000_000
)

var errStates = errors.New("more than 200,000 states before minimisation")

// subset makes an automaton deterministic. A state is a sorted set of nodes;
// in place of what can no longer change it holds facts: see decide.
type subset struct {
	*graph
	kind  Kind
	abc   *alphabet
	ids   map[string]int32
	keys  [][]int32 // the set of each state
	trans []int32
	rows  []verdictRow
	work  int

	seen  []uint32 // nodes of the set being made
	round uint32
	next  []int32
	code  []byte
	votes map[int32]uint8 // conditions met, by order
}

func newSubset(g *graph, k Kind) *subset {
	return &subset{
		graph: g, kind: k, abc: g.nfa.alphabet(), ids: map[string]int32{},
		seen: make([]uint32, len(g.nfa.nodes)), votes: map[int32]uint8{},
	}
}

// dfa is a deterministic automaton with dense rows.
type dfa struct {
	class      [256]uint16
	classCount int
	trans      []int32 // states times classes
	rows       []verdictRow
	start      int32
}

func (d *dfa) states() int { return len(d.rows) }

func (b *subset) build() (*dfa, error) {
	class, count := b.abc.class, b.abc.count
	// State 0 is before the class byte, state 1 behind an unknown one.
	refuse := verdictRow{rule: ruleInternal}
	b.keys = [][]int32{nil, nil}
	b.rows = []verdictRow{refuse, refuse}
	b.trans = make([]int32, 2*count)
	for i := range b.trans {
		b.trans[i] = 1
	}
	if b.kind != KindAddr {
		b.trans[class[0]] = 0 // padding
	}
	for v := byte(classRoot); v <= classNoPath; v++ {
		known := b.kind.isPath() || v == classRoot || v == classVolume && b.kind == KindAddr
		if known {
			b.trans[class[v]] = b.closed(b.start[v])
		}
	}
	for s := 2; s < len(b.keys); s++ {
		if len(b.keys) > maxStates || b.work > maxWork {
			return nil, errStates
		}
		b.expand(int32(s))
	}
	return &dfa{class: class, classCount: count, trans: b.trans, rows: b.rows}, nil
}

// expand fills the row of a state. Nearly all bytes lead where their block
// leads; only single bytes with an edge of their own need another set.
func (b *subset) expand(state int32) {
	class, count := &b.abc.class, b.abc.count
	base := len(b.trans)
	b.trans = append(b.trans, make([]int32, count)...)
	key := b.keys[state]
	own := map[int][]int32{}
	for _, n := range key {
		if n < 0 {
			continue
		}
		for _, e := range b.nfa.nodes[n].bytes {
			c := int(class[e.b])
			own[c] = append(own[c], e.to)
		}
	}
	byBlock := make([]int32, len(b.abc.sample))
	for i := range byBlock {
		byBlock[i] = -1
	}
	for c := range count {
		if b.kind != KindAddr && c == int(class[0]) {
			b.trans[base+c] = state // padding
			continue
		}
		block := b.abc.block[c]
		more, special := own[c]
		if !special && byBlock[block] >= 0 {
			b.trans[base+c] = byBlock[block]
			continue
		}
		targets := b.targets(key, b.abc.sample[block])
		to := b.closed(append(targets, more...))
		b.trans[base+c] = to
		if !special {
			byBlock[block] = to
		}
	}
}

// targets returns where the set edges of a state lead for a byte.
func (b *subset) targets(key []int32, sample byte) []int32 {
	out := b.next[:0]
	for _, n := range key {
		if n < 0 {
			out = append(out, n)
			continue
		}
		for _, e := range b.nfa.nodes[n].sets {
			if b.nfa.sets[e.set].has(sample) {
				out = append(out, e.to)
			}
		}
	}
	b.next = out
	return out
}

// closed returns the state for a set of nodes and all that they imply.
func (b *subset) closed(nodes []int32) int32 {
	b.round++
	set := make([]int32, 0, len(nodes)+4)
	add := func(n int32) {
		if n < 0 {
			if !slices.Contains(set, n) {
				set = append(set, n)
			}
		} else if b.seen[n] != b.round {
			b.seen[n] = b.round
			set = append(set, n)
		}
	}
	for _, n := range nodes {
		add(n)
	}
	for i := 0; i < len(set); i++ {
		if set[i] >= 0 {
			for _, n := range b.nfa.nodes[set[i]].eps {
				add(n)
			}
		}
	}
	b.work += len(set) + 1
	set, row := b.decide(set)
	slices.Sort(set)
	b.code = b.code[:0]
	for _, n := range set {
		b.code = binary.LittleEndian.AppendUint32(b.code, uint32(n))
	}
	if id, ok := b.ids[string(b.code)]; ok {
		return id
	}
	id := int32(len(b.keys))
	b.ids[string(b.code)] = id
	b.keys = append(b.keys, set)
	b.rows = append(b.rows, row)
	return id
}

package policy

import "slices"

// subset makes an automaton deterministic. A state is a sorted set of nodes;
// in place of what can no longer change it holds facts: see decide. What of it
// is more than the next byte of a literal is its core: states with one core
// share a base row.
type subset struct {
	*graph
	rules    *ruleSet
	verdicts *verdicts
	resolved map[string]verdictRow // by candidates

	kind  Kind
	abc   *alphabet
	keys  *setIndex // the set of each state
	cores *setIndex
	core  []core
	d     *dfa
	work  int

	seen, seenFact []uint32 // nodes and facts of the set being made

	round   uint32
	next    []int32
	set     []int32
	part    []int32
	literal []byteStep
	votes   votes
	list    []int32
	code    []byte
}

// core is what is known of a base row.
type core struct {
	missing []int32    // classes that no state needed yet
	steps   []byteStep // where single bytes lead besides their block, by class
	blocks  [][]int32  // where the bytes of a block lead; made when needed
}

// byteStep is a node that the bytes of a class lead to.
type byteStep struct{ class, to int32 }

func newSubset(g *graph, k Kind, v *verdicts) *subset {
	return &subset{
		graph: g, kind: k, rules: v.rs, verdicts: v, resolved: map[string]verdictRow{}, abc: g.nfa.alphabet(), keys: newSetIndex(), cores: newSetIndex(),
		seen: make([]uint32, len(g.nfa.nodes)), seenFact: make([]uint32, (wholeStep+1)*len(g.steps)), votes: votes{met: make([]uint16, len(g.steps))},
	}
}

func (b *subset) build() (*dfa, error) {
	b.d = &dfa{class: b.abc.class, classCount: b.abc.count, pad: -1}
	if !b.kind.exact() {
		b.d.pad = int(b.abc.class[0])
	}
	// State 0 is before the class byte, state 1 behind an unknown one.
	for range 2 {
		b.keys.add(nil, 0)
		b.cores.add(nil, 0)
		b.core = append(b.core, core{})
		b.d.rows = append(b.d.rows, verdictRow{rule: ruleInternal})
		for range b.abc.count {
			b.d.base = append(b.d.base, 1)
		}
	}
	for v := byte(classRoot); v <= classNoPath; v++ {
		known := b.kind.isPath() || b.kind == KindCommand || v == classRoot || v == classVolume && b.kind == KindAddr
		if known {
			b.d.base[b.abc.class[v]] = b.closed(b.start[v])
		}
	}
	b.d.addState(0, nil)
	b.d.addState(1, nil)
	for s := 2; s < b.keys.len(); s++ {
		if err := b.withinLimits(); err != nil {
			return nil, err
		}
		b.expand(int32(s))
	}
	if err := b.withinLimits(); err != nil {
		return nil, err
	}
	b.verdicts.spent.add(b.cost())
	return b.d, nil
}

// expand makes the transitions of a state: exceptions where a literal goes on,
// and what is missing of its base row.
func (b *subset) expand(state int32) {
	b.part = b.part[:0]
	literals := b.literal[:0]
	for _, n := range b.keys.at(state) {
		if n < 0 || len(b.nfa.nodes[n].sets) > 0 {
			b.part = append(b.part, n)
			continue
		}
		literals = b.byteSteps(literals, n)
	}
	b.literal = literals
	id := b.coreOf(b.part)
	slices.SortFunc(literals, func(x, y byteStep) int { return int(x.class - y.class) })
	var exc []exception
	for i := 0; i < len(literals); {
		c := literals[i].class
		to := b.blockOf(id, c)
		for ; i < len(literals) && literals[i].class == c; i++ {
			to = append(to, literals[i].to)
		}
		b.next = to
		exc = append(exc, exception{c, b.closed(b.withSteps(id, c))})
	}
	b.fill(id, exc)
	b.d.addState(id, exc)
}

// byteSteps appends the byte edges of a node.
func (b *subset) byteSteps(to []byteStep, n int32) []byteStep {
	for e := b.nfa.nodes[n].bytes; e != 0; e = b.nfa.byteEdges[e].next {
		edge := &b.nfa.byteEdges[e]
		to = append(to, byteStep{int32(b.abc.class[edge.b]), edge.to})
	}
	return to
}

// coreOf numbers a core and its base row.
func (b *subset) coreOf(nodes []int32) int32 {
	// The first two numbers have no set: they are found only by number.
	id, fresh := b.cores.intern(nodes)
	if !fresh {
		return id
	}
	c := core{blocks: make([][]int32, len(b.abc.sample))}
	for _, n := range nodes {
		if n >= 0 {
			c.steps = b.byteSteps(c.steps, n)
		}
	}
	for class := range int32(b.abc.count) {
		if int(class) != b.d.pad {
			c.missing = append(c.missing, class)
		}
		b.d.base = append(b.d.base, unknown)
	}
	b.core = append(b.core, c)
	return id
}

// fill makes the cells of a base row that a state with these exceptions needs.
// Nearly all bytes lead where their block leads.
func (b *subset) fill(id int32, exc []exception) {
	missing := b.core[id].missing
	if len(missing) == 0 {
		return
	}
	byBlock := make([]int32, len(b.abc.sample))
	left := missing[:0]
	for _, c := range missing {
		if slices.ContainsFunc(exc, func(e exception) bool { return e.class == c }) {
			left = append(left, c)
			continue
		}
		block := b.abc.block[c]
		special := slices.ContainsFunc(b.core[id].steps, func(s byteStep) bool { return s.class == c })
		to := byBlock[block]
		if special || to == 0 {
			b.next = b.blockOf(id, c)
			to = b.closed(b.withSteps(id, c))
		}
		if !special {
			byBlock[block] = to
		}
		b.d.base[int(id)*b.abc.count+int(c)] = to
	}
	b.core[id].missing = left
}

// blockOf begins a set with the nodes that the set edges of a core lead to.
func (b *subset) blockOf(id, class int32) []int32 {
	block := b.abc.block[class]
	nodes := b.core[id].blocks[block]
	if nodes == nil {
		nodes = []int32{}
		sample := b.abc.sample[block]
		for _, n := range b.cores.at(id) {
			if n < 0 {
				nodes = append(nodes, n)
				continue
			}
			for _, e := range b.nfa.nodes[n].sets {
				if b.nfa.sets[e.set].has(sample) {
					nodes = append(nodes, e.to)
				}
			}
		}
		b.core[id].blocks[block] = nodes
	}
	return append(b.next[:0], nodes...)
}

// withSteps adds to the set begun the nodes that single bytes of a core lead to.
func (b *subset) withSteps(id, class int32) []int32 {
	for _, s := range b.core[id].steps {
		if s.class == class {
			b.next = append(b.next, s.to)
		}
	}
	return b.next
}

// closed returns the state for a set of nodes and all that they imply.
func (b *subset) closed(nodes []int32) int32 {
	b.round++
	set := b.set[:0]
	add := func(n int32) {
		if n < 0 {
			if fact := -1 - n; b.seenFact[fact] != b.round {
				b.seenFact[fact] = b.round
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
	b.set = set
	set, row := b.decide(set)
	slices.Sort(set)
	id, fresh := b.keys.intern(set)
	if fresh {
		b.d.rows = push(b.d.rows, row)
	}
	return id
}

package policy

// partition of states into blocks that can be split in time proportional to
// the marked states.
type partition struct {
	elems, at, of   []int32 // states by block; where a state is; its block
	start, end, mid []int32 // of a block; marked states lie before mid
	touched         []int32 // blocks with marked states
}

func newPartition(n int) *partition {
	p := &partition{elems: make([]int32, n), at: make([]int32, n), of: make([]int32, n)}
	for i := range n {
		p.elems[i], p.at[i] = int32(i), int32(i)
	}
	p.start, p.end, p.mid = []int32{0}, []int32{int32(n)}, []int32{0}
	return p
}

func (p *partition) blocks() int { return len(p.start) }

func (p *partition) members(b int32) []int32 { return p.elems[p.start[b]:p.end[b]] }

// mark moves a state to the front of its block.
func (p *partition) mark(s int32) {
	b := p.of[s]
	if p.at[s] < p.mid[b] {
		return
	}
	if p.mid[b] == p.start[b] {
		p.touched = append(p.touched, b)
	}
	other := p.elems[p.mid[b]]
	p.elems[p.at[s]], p.elems[p.mid[b]] = other, s
	p.at[other], p.at[s] = p.at[s], p.mid[b]
	p.mid[b]++
}

// markAll marks a whole block.
func (p *partition) markAll(b int32) {
	if p.mid[b] == p.start[b] {
		p.touched = append(p.touched, b)
	}
	p.mid[b] = p.end[b]
}

// cut divides a block at the given places of elems. The longest part stays the
// block; fresh is called for each state of the others, which become blocks.
func (p *partition) cut(b int32, places []int32, fresh func(state, block int32)) {
	p.mid[b] = p.start[b]
	bounds := append(append([]int32{p.start[b]}, places...), p.end[b])
	keep := 0
	for i := range len(bounds) - 1 {
		if bounds[i+1]-bounds[i] > bounds[keep+1]-bounds[keep] {
			keep = i
		}
	}
	for i := range len(bounds) - 1 {
		from, to := bounds[i], bounds[i+1]
		if i == keep {
			p.start[b], p.end[b], p.mid[b] = from, to, from
			continue
		}
		id := int32(p.blocks())
		p.start, p.end, p.mid = append(p.start, from), append(p.end, to), append(p.mid, from)
		for at := from; at < to; at++ {
			s := p.elems[at]
			p.at[s], p.of[s] = at, id
			fresh(s, id)
		}
	}
}

// numbered returns the block of each state, blocks numbered by their first
// state, and that state of each block.
func (p *partition) numbered() (block, first []int32) {
	ids := make([]int32, p.blocks())
	block = make([]int32, len(p.of))
	for s, b := range p.of {
		if ids[b] == 0 {
			first = append(first, int32(s))
			ids[b] = int32(len(first))
		}
		block[s] = ids[b] - 1
	}
	return block, first
}

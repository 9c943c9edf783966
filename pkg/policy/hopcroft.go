package policy

// partition returns the coarsest partition of the states in which all states
// of a block have one verdict and lead to the same blocks (Hopcroft). Blocks
// are numbered by their first state.
func (d *dfa) partition() (block []int32, count int) {
	n, k := d.states(), d.classCount
	p := newPartition(n)
	p.splitByRow(d.rows)
	inverse, first := d.inverse()
	type job struct{ block, class int32 }
	var jobs []job
	queued := make([]bool, n*k) // there are at most n blocks
	push := func(b, c int32) {
		if !queued[int(b)*k+int(c)] {
			queued[int(b)*k+int(c)] = true
			jobs = append(jobs, job{b, c})
		}
	}
	for b := range p.blocks() {
		for c := range k {
			push(int32(b), int32(c))
		}
	}
	var members []int32
	for len(jobs) > 0 {
		j := jobs[len(jobs)-1]
		jobs = jobs[:len(jobs)-1]
		queued[int(j.block)*k+int(j.class)] = false
		members = append(members[:0], p.members(j.block)...)
		for _, s := range members {
			at := int(s)*k + int(j.class)
			for _, from := range inverse[first[at]:first[at+1]] {
				p.mark(from)
			}
		}
		p.split(func(old, fresh int32) {
			for c := range int32(k) {
				if queued[int(old)*k+int(c)] || p.size(fresh) <= p.size(old) {
					push(fresh, c)
				} else {
					push(old, c)
				}
			}
		})
	}
	return p.numbered(n)
}

// inverse lists, for each state and class, the states that lead there.
func (d *dfa) inverse() (states, first []int32) {
	n, k := d.states(), d.classCount
	first = make([]int32, n*k+1)
	for i, to := range d.trans {
		first[int(to)*k+i%k+1]++
	}
	for i := 1; i < len(first); i++ {
		first[i] += first[i-1]
	}
	states = make([]int32, n*k)
	fill := append([]int32(nil), first...)
	for i, to := range d.trans {
		at := int(to)*k + i%k
		states[fill[at]] = int32(i / k)
		fill[at]++
	}
	return states, first
}

// partition of states into blocks that can be split in time proportional to
// the marked states.
type partition struct {
	elems, at, of   []int32 // states by block; where a state is; its block
	start, end, mid []int32 // of a block; marked states lie before mid
	touched         []int32
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

func (p *partition) size(b int32) int32 { return p.end[b] - p.start[b] }

func (p *partition) members(b int32) []int32 { return p.elems[p.start[b]:p.end[b]] }

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

// split divides each touched block into marked and unmarked states; the marked
// ones become the fresh block.
func (p *partition) split(made func(old, fresh int32)) {
	for _, b := range p.touched {
		if p.mid[b] == p.end[b] {
			p.mid[b] = p.start[b]
			continue
		}
		fresh := int32(len(p.start))
		p.start = append(p.start, p.start[b])
		p.end = append(p.end, p.mid[b])
		p.mid = append(p.mid, p.start[b])
		p.start[b] = p.mid[b]
		for _, s := range p.members(fresh) {
			p.of[s] = fresh
		}
		made(b, fresh)
	}
	p.touched = p.touched[:0]
}

func (p *partition) splitByRow(rows []verdictRow) {
	byRow := map[verdictRow][]int32{}
	var order []verdictRow
	for s, r := range rows {
		if byRow[r] == nil {
			order = append(order, r)
		}
		byRow[r] = append(byRow[r], int32(s))
	}
	for _, r := range order[1:] {
		for _, s := range byRow[r] {
			p.mark(s)
		}
		p.split(func(int32, int32) {})
	}
}

func (p *partition) numbered(n int) ([]int32, int) {
	ids := make([]int32, p.blocks())
	out := make([]int32, n)
	count := int32(0)
	for s := range n {
		b := p.of[s]
		if ids[b] == 0 {
			count++
			ids[b] = count
		}
		out[s] = ids[b] - 1
	}
	return out, int(count)
}

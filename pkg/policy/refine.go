package policy

import (
	"cmp"
	"slices"
)

// refinement finds the coarsest partition of the states in which all states of
// a block have one verdict and lead to the same blocks. It goes round by round:
// each state has a signature, the sum over all classes of a hash of class and
// block led to; when a state moves to another block, the signatures of those that
// lead there are corrected, and blocks with different signatures are cut. In a
// cut the largest part keeps its number, so a state moves few times. The
// signature of a base row is kept once for all of its states.
type refinement struct {
	d *dfa
	*partition
	seed   uint64
	rowSig []uint64
	ownSig []uint64 // what the exceptions of a state change
	mixed  []int32  // blocks with states of different base rows
	oneRow []bool   // of a block: it is not among them
	moved  []move
	moving []move // in this round, seen from the next one

	into    table // of a state: exceptions that lead to it
	rowInto table // of a state: cells of base rows that lead to it
	over    table // of a cell of a base row: states with an exception there
}

type move struct{ state, from, to int32 }

// partition returns the block of each state and the first state of each block.
func (d *dfa) partition() (block, first []int32) {
	into, rowInto, over := d.inverse()
	for seed := uint64(1); ; seed++ {
		r := &refinement{d: d, partition: newPartition(d.states()), seed: seed, into: into, rowInto: rowInto, over: over}
		r.run()
		// Sums of hashes could agree by chance, so the result is proven.
		if block, first = r.numbered(); d.stable(block, first) {
			return block, first
		}
	}
}

func (r *refinement) hash(class, block int32) uint64 {
	x := r.seed<<48 ^ uint64(uint32(class))<<32 ^ uint64(uint32(block))
	x = (x + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>30) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (r *refinement) run() {
	r.splitByVerdict()
	r.sign()
	for b := range int32(r.blocks()) {
		r.markAll(b)
	}
	r.cutTouched()
	for len(r.moved) > 0 {
		r.moved, r.moving = r.moving[:0], r.moved
		if r.correct() {
			for _, b := range r.mixed {
				r.markAll(b)
			}
		}
		r.cutTouched()
	}
}

func (r *refinement) splitByVerdict() {
	ids := map[verdictRow]uint64{}
	r.ownSig = make([]uint64, r.d.states())
	for s, v := range r.d.rows {
		if _, ok := ids[v]; !ok {
			ids[v] = uint64(len(ids))
		}
		r.ownSig[s] = ids[v]
	}
	r.rowSig = make([]uint64, r.d.baseRows())
	r.mixed, r.oneRow = []int32{0}, []bool{false}
	r.markAll(0)
	r.cutTouched()
	r.moved = r.moved[:0]
}

// sign computes all signatures.
func (r *refinement) sign() {
	k := r.d.classCount
	cell := func(row int32, c int32) uint64 {
		to := r.d.base[int(row)*k+int(c)]
		if to == unknown || int(c) == r.d.pad {
			return 0
		}
		return r.hash(c, r.of[to])
	}
	for row := range r.rowSig {
		for c := range int32(k) {
			r.rowSig[row] += cell(int32(row), c)
		}
	}
	for s := range r.ownSig {
		r.ownSig[s] = 0
		for _, e := range r.d.exceptions(int32(s)) {
			r.ownSig[s] += r.hash(e.class, r.of[e.to]) - cell(r.d.row[s], e.class)
		}
	}
}

// correct takes the moves of the last round into the signatures, marks the
// states whose own signature changed, and reports whether a row's did.
func (r *refinement) correct() (rowChanged bool) {
	k := int32(r.d.classCount)
	for _, m := range r.moving {
		for _, in := range r.into.at(m.state) {
			class, s := in%k, in/k
			r.ownSig[s] += r.hash(class, m.to) - r.hash(class, m.from)
			r.mark(s)
		}
		for _, cell := range r.rowInto.at(m.state) {
			class := cell % k
			delta := r.hash(class, m.to) - r.hash(class, m.from)
			r.rowSig[cell/k] += delta
			rowChanged = true
			for _, s := range r.over.at(cell) {
				r.ownSig[s] -= delta
				r.mark(s)
			}
		}
	}
	return rowChanged
}

// cutTouched cuts the blocks with marked states.
func (r *refinement) cutTouched() {
	touched := r.touched
	for _, b := range touched {
		r.cutBlock(b)
	}
	r.touched = touched[:0]
	mixed := r.mixed[:0]
	for _, b := range r.mixed {
		if r.oneRow[b] = r.hasOneRow(b); !r.oneRow[b] {
			mixed = append(mixed, b)
		}
	}
	r.mixed = mixed
}

// cutBlock cuts a block by signature. Its states that are not marked all have
// the same.
func (r *refinement) cutBlock(b int32) {
	from, mid, end := r.start[b], r.mid[b], r.end[b]
	rest := r.signature(r.elems[end-1])
	different := func(s int32) bool { return r.signature(s) != rest }
	if !slices.ContainsFunc(r.elems[from:mid], different) {
		r.mid[b] = from
		return
	}
	marked := r.elems[from:mid]
	slices.SortFunc(marked, func(x, y int32) int {
		sx, sy := r.signature(x), r.signature(y)
		switch {
		case sx == sy:
			return cmp.Compare(x, y)
		case sx == rest:
			return 1
		case sy == rest:
			return -1
		}
		return cmp.Compare(sx, sy)
	})
	var places []int32
	for i, s := range marked {
		at := from + int32(i)
		r.at[s] = at
		if i > 0 && r.signature(s) != r.signature(marked[i-1]) {
			places = append(places, at)
		}
	}
	if mid < end && different(marked[len(marked)-1]) {
		places = append(places, mid)
	}
	before := int32(r.blocks())
	r.cut(b, places, func(s, to int32) { r.moved = append(r.moved, move{s, b, to}) })
	for id := before; id < int32(r.blocks()); id++ {
		r.oneRow = append(r.oneRow, r.oneRow[b])
		if !r.oneRow[b] {
			r.mixed = append(r.mixed, id)
		}
	}
}

func (r *refinement) hasOneRow(b int32) bool {
	members := r.members(b)
	return !slices.ContainsFunc(members, func(s int32) bool { return r.d.row[s] != r.d.row[members[0]] })
}

func (r *refinement) signature(s int32) uint64 { return r.rowSig[r.d.row[s]] + r.ownSig[s] }

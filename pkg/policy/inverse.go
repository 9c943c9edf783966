package policy

// table lists numbers by key, all behind each other.
type table struct{ first, items []int32 }

func (t *table) at(key int32) []int32 { return t.items[t.first[key]:t.first[key+1]] }

// makeTable fills a table from pairs, which it asks for twice.
func makeTable(keys int, pairs func(yield func(key, item int32))) table {
	t := table{first: make([]int32, keys+2)}
	pairs(func(key, _ int32) { t.first[key+2]++ })
	for i := 2; i < len(t.first); i++ {
		t.first[i] += t.first[i-1]
	}
	t.items = make([]int32, t.first[keys+1])
	pairs(func(key, item int32) {
		t.items[t.first[key+1]] = item
		t.first[key+1]++
	})
	return t
}

// inverse lists, for each state, the exceptions (state times classes plus class)
// and the cells of base rows that lead to it, and for each cell of a base row the
// states with an exception there.
func (d *dfa) inverse() (into, rowInto, over table) {
	k := int32(d.classCount)
	exceptions := func(each func(s int32, e exception)) {
		for s := range int32(d.states()) {
			for _, e := range d.exceptions(s) {
				each(s, e)
			}
		}
	}
	into = makeTable(d.states(), func(yield func(key, item int32)) {
		exceptions(func(s int32, e exception) { yield(e.to, s*k+e.class) })
	})
	over = makeTable(len(d.base), func(yield func(key, item int32)) {
		exceptions(func(s int32, e exception) { yield(d.row[s]*k+e.class, s) })
	})
	rowInto = makeTable(d.states(), func(yield func(key, item int32)) {
		for cell, to := range d.base {
			if to != unknown && cell%int(k) != d.pad {
				yield(to, int32(cell))
			}
		}
	})
	return into, rowInto, over
}

// stable reports whether all states of each block have the verdict of its first
// one and lead to the same blocks.
func (d *dfa) stable(block, first []int32) bool {
	one, other := make([]int32, d.classCount), make([]int32, d.classCount)
	for s := range int32(d.states()) {
		f := first[block[s]]
		if s == f {
			continue
		}
		if d.rows[s] != d.rows[f] {
			return false
		}
		d.targets(s, one)
		d.targets(f, other)
		for c := range one {
			if c != d.pad && block[one[c]] != block[other[c]] {
				return false
			}
		}
	}
	return true
}

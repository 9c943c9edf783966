package policy

import "slices"

// minimize returns the smallest automaton with the same verdicts, its columns
// merged where no state tells them apart. States are reachable by
// construction.
func (d *dfa) minimize() *dfa {
	block, count := d.partition()
	k := d.classCount
	out := &dfa{class: d.class, classCount: k, start: block[d.start]}
	out.trans = make([]int32, count*k)
	out.rows = make([]verdictRow, count)
	for s := range d.rows {
		b := int(block[s])
		out.rows[b] = d.rows[s]
		for c := range k {
			out.trans[b*k+c] = block[d.trans[s*k+c]]
		}
	}
	out.mergeColumns()
	return out
}

// mergeColumns gives bytes that lead to the same states everywhere one class.
func (d *dfa) mergeColumns() {
	k := d.classCount
	column := func(c int) []int32 {
		col := make([]int32, d.states())
		for s := range col {
			col[s] = d.trans[s*k+c]
		}
		return col
	}
	var kept [][]int32
	byHash := map[uint64][]int{}
	merged := make([]uint16, k)
	for c := range k {
		col := column(c)
		h := uint64(14695981039346656037)
		for _, v := range col {
			h = (h ^ uint64(v)) * 1099511628211
		}
		id := -1
		for _, cand := range byHash[h] {
			if slices.Equal(kept[cand], col) {
				id = cand
			}
		}
		if id < 0 {
			id = len(kept)
			kept = append(kept, col)
			byHash[h] = append(byHash[h], id)
		}
		merged[c] = uint16(id)
	}
	for b := range d.class {
		d.class[b] = merged[d.class[b]]
	}
	d.classCount = len(kept)
	d.trans = make([]int32, d.states()*len(kept))
	for c, col := range kept {
		for s, to := range col {
			d.trans[s*len(kept)+c] = to
		}
	}
}

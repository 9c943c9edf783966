package policy

import "slices"

// minimize returns the smallest automaton with the same verdicts, its columns
// merged where no state tells them apart. States are reachable by
// construction.
func (d *dfa) minimize() *dfa {
	out := d.quotient(d.partition())
	out.settle()
	out.mergeColumns()
	return out
}

// quotient makes each block a state, with the transitions of its first one.
func (d *dfa) quotient(block, first []int32) *dfa {
	k := d.classCount
	n := len(first)
	out := &dfa{
		class: d.class, classCount: k, pad: d.pad, start: block[d.start],
		row: make([]int32, 0, n), end: make([]int32, 0, n), exc: make([]exception, 0, n), rows: make([]verdictRow, 0, n),
	}
	rowIDs := make([]int32, d.baseRows())
	same := map[uint64][]int32{} // base rows that have become equal share a number
	cells := make([]int32, k)
	rowOf := func(row int32) int32 {
		if rowIDs[row] != 0 {
			return rowIDs[row] - 1
		}
		h := uint64(14695981039346656037)
		for c, to := range d.base[int(row)*k:][:k] {
			if cells[c] = unknown; to != unknown && c != d.pad {
				cells[c] = block[to]
			}
			h = (h ^ uint64(uint32(cells[c]))) * 1099511628211
		}
		for _, id := range same[h] {
			if slices.Equal(out.base[int(id)*k:][:k], cells) {
				rowIDs[row] = id + 1
				return id
			}
		}
		id := int32(len(out.base) / k)
		out.base = append(out.base, cells...)
		same[h] = append(same[h], id)
		rowIDs[row] = id + 1
		return id
	}
	var exc []exception
	for _, s := range first {
		row := rowOf(d.row[s])
		base := out.base[int(row)*k:][:k]
		exc = exc[:0]
		for _, e := range d.exceptions(s) {
			if to := block[e.to]; to != base[e.class] {
				exc = append(exc, exception{e.class, to})
			}
		}
		out.addState(row, exc)
		out.rows = append(out.rows, d.rows[s])
	}
	return out
}

// mergeColumns gives bytes that lead to the same states everywhere one class.
// Base rows are settled, so every cell counts.
func (d *dfa) mergeColumns() {
	m := &columns{pad: d.pad, class: make([]int32, d.classCount)}
	for row := range d.baseRows() {
		m.split(d.base[row*d.classCount:][:d.classCount])
	}
	targets := make([]int32, d.classCount)
	for s := range int32(d.states()) {
		if m.shared(d.exceptions(s)) {
			d.targets(s, targets)
			m.split(targets)
		}
	}
	d.keepColumns(m.class, len(m.size))
}

// columns divides the classes of an automaton into those that lead to the same
// states.
type columns struct {
	pad   int
	class []int32 // the new class
	size  []int32 // of a new class
}

// split keeps columns of one class only where targets are the same. Padding
// stays a class of its own.
func (m *columns) split(targets []int32) {
	type part struct{ class, to int32 }
	ids := map[part]int32{}
	m.size = m.size[:0]
	for c := range m.class {
		p := part{m.class[c], targets[c]}
		if c == m.pad {
			p.to = unknown
		}
		id, ok := ids[p]
		if !ok {
			id = int32(len(ids))
			ids[p] = id
			m.size = append(m.size, 0)
		}
		m.class[c] = id
		m.size[id]++
	}
}

// shared reports whether one of the exceptions is in a class with others.
func (m *columns) shared(exc []exception) bool {
	return slices.ContainsFunc(exc, func(e exception) bool { return m.size[m.class[e.class]] > 1 })
}

// keepColumns leaves the first column of each new class.
func (d *dfa) keepColumns(class []int32, count int) {
	k := d.classCount
	keep := make([]bool, k)
	next := int32(0)
	for c, id := range class { // new classes are numbered by their first column
		if id == next {
			keep[c] = true
			next++
		}
	}
	rows := d.baseRows()
	base := make([]int32, 0, rows*count)
	for i, to := range d.base {
		if keep[i%k] {
			base = append(base, to)
		}
	}
	exc, end := d.exc[:0], int32(0)
	for s := range d.end {
		first := end
		end = d.end[s]
		for _, e := range d.exc[first:end] {
			if keep[e.class] {
				exc = append(exc, exception{class[e.class], e.to})
			}
		}
		d.end[s] = int32(len(exc))
	}
	if d.pad >= 0 {
		d.pad = int(class[d.pad])
	}
	for b := range d.class {
		d.class[b] = uint16(class[d.class[b]])
	}
	d.base, d.exc, d.classCount = base, exc, count
}

package policy

import (
	"cmp"
	"slices"
)

// settle gives each cell of a base row the target that most of its states have
// there, where one has the majority. Then there are few exceptions, and no cell
// is unknown or unused.
func (d *dfa) settle() {
	cell := func(s, class int32) int32 { return d.row[s]*int32(d.classCount) + class }
	users := make([]int32, d.baseRows())
	for _, row := range d.row {
		users[row]++
	}
	plain := make([]int32, len(d.base)) // states of the row without an exception here
	for i := range plain {
		plain[i] = users[i/d.classCount]
	}
	each := func(do func(cell, to int32)) {
		for s := range int32(d.states()) {
			for _, e := range d.exceptions(s) {
				do(cell(s, e.class), e.to)
			}
		}
	}
	each(func(cell, _ int32) { plain[cell]-- })
	// One pass finds the only target that can have the majority (Boyer, Moore).
	common, lead, votes := slices.Clone(d.base), slices.Clone(plain), make([]int32, len(d.base))
	each(func(cell, to int32) {
		switch {
		case common[cell] == to:
			lead[cell]++
		case lead[cell] == 0:
			common[cell], lead[cell] = to, 1
		default:
			lead[cell]--
		}
	})
	each(func(cell, to int32) {
		if common[cell] == to {
			votes[cell]++
		}
	})
	before := make([][]exception, d.baseRows())
	for i, to := range d.base {
		if votes[i] > plain[i] {
			before[i/d.classCount] = append(before[i/d.classCount], exception{int32(i % d.classCount), to})
			d.base[i] = common[i]
		}
	}
	d.rebase(before)
}

// rebase makes the exceptions fit base rows of which some cells have changed;
// before lists what these were.
func (d *dfa) rebase(before [][]exception) {
	old := *d
	d.row, d.exc, d.end = make([]int32, 0, len(old.row)), make([]exception, 0, len(old.exc)), make([]int32, 0, len(old.end))
	var exc []exception
	for s, row := range old.row {
		exc = append(exc[:0], old.exceptions(int32(s))...)
		for _, was := range before[row] {
			if !slices.ContainsFunc(exc, func(e exception) bool { return e.class == was.class }) {
				exc = append(exc, was)
			}
		}
		base := d.base[int(row)*d.classCount:]
		exc = slices.DeleteFunc(exc, func(e exception) bool { return base[e.class] == e.to })
		slices.SortFunc(exc, func(x, y exception) int { return cmp.Compare(x.class, y.class) })
		d.addState(row, exc)
	}
}

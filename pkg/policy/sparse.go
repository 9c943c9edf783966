package policy

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// The sparse encoding of docs/format/policy.md. A state is the number of its
// first word.
const (
	sparseRowShift = 8 // the row's number, in units of 4 words
	sparseRowMask  = 1<<20 - 1
	sparseWindow   = 1 << 28 // a window of columns stands behind the state
	sparseStay     = 0       // cell: stay in the state
	sparseHome     = 1       // cell: go to the state's home, in the word before it

	maxDiffer = 16 // beyond, a row is always written
)

// sparse is an automaton in that form.
type sparse struct {
	words            []uint32
	start, absorbing uint32
	column           []uint8 // of a class
}

// sparser encodes an automaton.
type sparser struct {
	*dfa
	verdict []uint16 // of a state
	column  []uint8  // of a class, from 1: those next to each other that states differ in
	byCol   []int32  // the class of a column
	shared  []sharedRow
	stay    sharedRow // every class stays
	home    sharedRow // every class goes home
	at      []uint32  // of a state: its number
	chained []bool    // of a state: what its one exception leads to stands behind it
	words   []uint32
	diff    []exception
}

// sharedRow says how the states of a base row are written.
type sharedRow struct {
	// relative: the row itself is not written. Its states say where they differ
	// from leading home, to the target that most classes have.
	relative bool
	home     int32
	differ   []exception // from home
	at       uint32
	verdict  uint16 // of the chained states
}

// form is how a state is written.
type form struct {
	row    *sharedRow
	home   int32 // or -1
	lo, n  int32 // the window; n 0: none
	differ []exception
}

// encodeSparse writes an automaton. verdict gives the index of a state's row.
func (d *dfa) encodeSparse(verdict []uint16) *sparse {
	e := &sparser{dfa: d, verdict: verdict, at: make([]uint32, d.states()), chained: make([]bool, d.states())}
	e.describeRows()
	e.orderColumns()
	e.chooseRows()
	e.reserveRows()
	absorbing := e.place()
	e.write()
	return &sparse{words: e.words, start: e.at[d.start], absorbing: absorbing, column: e.column}
}

// orderColumns puts the classes first that states differ in most, so that
// windows are narrow.
func (e *sparser) orderColumns() {
	count := make([]int, e.classCount)
	for s := range int32(e.states()) {
		for _, x := range e.exceptions(s) {
			count[x.class]++
		}
		if r := &e.shared[e.row[s]]; len(r.differ) <= maxDiffer {
			for _, x := range r.differ {
				count[x.class]++
			}
		}
	}
	if e.pad >= 0 {
		count[e.pad] = -1
	}
	e.byCol = make([]int32, e.classCount)
	for c := range e.byCol {
		e.byCol[c] = int32(c)
	}
	slices.SortStableFunc(e.byCol, func(x, y int32) int { return cmp.Compare(count[y], count[x]) })
	e.column = make([]uint8, e.classCount)
	for i, c := range e.byCol {
		e.column[c] = uint8(i + 1)
	}
	e.byCol = append([]int32{-1}, e.byCol...)
}

// chooseRows decides which base rows are written and which are replaced by the
// two rows that say stay and home.
func (e *sparser) chooseRows() {
	written := make([]int, e.baseRows()) // words, if the row is written, and if not
	relative := make([]int, e.baseRows())
	for s := range int32(e.states()) {
		row := e.row[s]
		r := &e.shared[row]
		written[row] += e.size(s)
		if len(r.differ) <= maxDiffer {
			r.relative = true
			relative[row] += e.size(s)
			r.relative = false
		}
	}
	for i := range e.shared {
		r := &e.shared[i]
		r.relative = len(r.differ) <= maxDiffer && relative[i] < written[i]+e.rowWords()
	}
}

// describeRows finds where most classes of each base row lead.
func (e *sparser) describeRows() {
	e.shared = make([]sharedRow, e.baseRows())
	for i := range e.shared {
		e.describe(&e.shared[i], e.base[i*e.classCount:][:e.classCount])
	}
}

func (e *sparser) describe(r *sharedRow, base []int32) {
	count := map[int32]int{}
	best := 0
	for c, to := range base {
		if c == e.pad {
			continue
		}
		if count[to]++; count[to] > best {
			best, r.home = count[to], to
		}
	}
	for c, to := range base {
		if c != e.pad && to != r.home {
			r.differ = append(r.differ, exception{int32(c), to})
		}
	}
}

// rowWords is the length of a row, in whole units.
func (e *sparser) rowWords() int { return (e.classCount + 1 + 3) / 4 * 4 }

// form returns how a state is written, good until the next call.
func (e *sparser) form(s int32) form {
	r := &e.shared[e.row[s]]
	if e.loops(s, r) {
		return form{row: &e.stay, home: -1}
	}
	f := form{row: r, home: -1}
	e.diff = append(e.diff[:0], e.exceptions(s)...)
	if r.relative {
		own := e.exceptions(s)
		for _, x := range r.differ {
			if !slices.ContainsFunc(own, func(y exception) bool { return y.class == x.class }) {
				e.diff = append(e.diff, x)
			}
		}
		e.diff = slices.DeleteFunc(e.diff, func(x exception) bool { return x.to == r.home })
		f.row = &e.stay
		if r.home != s {
			f.row, f.home = &e.home, r.home
		}
	}
	f.differ = e.diff
	if len(f.differ) == 0 {
		return f
	}
	lo, hi := int32(255), int32(0)
	for _, x := range f.differ {
		col := int32(e.column[x.class])
		lo, hi = min(lo, col), max(hi, col)
	}
	f.lo, f.n = lo, hi-lo+1
	return f
}

// loops reports whether a state leads only to itself.
func (e *sparser) loops(s int32, r *sharedRow) bool {
	if r.home != s {
		return false
	}
	targets := make([]int32, e.classCount)
	e.targets(s, targets)
	return !slices.ContainsFunc(targets, func(to int32) bool { return to != s })
}

// size is how many words a state takes, if it is not chained for another reason
// than its form.
func (e *sparser) size(s int32) int {
	f := e.form(s)
	words := 2 + int(f.n)
	if f.home >= 0 {
		words++
	} else if len(f.differ) == 1 {
		words = 1
	}
	return words
}

// reserveRows makes room for the two rows that are always there and for those
// that were chosen, and gives each the verdict that most chained states have.
func (e *sparser) reserveRows() {
	e.stay.at, e.home.at = 0, uint32(e.rowWords())
	next := 2 * e.home.at
	for i := range e.shared {
		if r := &e.shared[i]; !r.relative {
			r.at = next
			next += e.home.at
		}
	}
	e.words = make([]uint32, next)
	type says struct {
		row     *sharedRow
		verdict uint16
	}
	count := map[says]int{}
	most := map[*sharedRow]int{}
	for s := range int32(e.states()) {
		f := e.form(s)
		if f.home >= 0 || len(f.differ) != 1 {
			continue
		}
		v := says{f.row, e.verdict[s]}
		if count[v]++; count[v] > most[v.row] {
			most[v.row], v.row.verdict = count[v], v.verdict
		}
	}
}

// place numbers the states, those that never change last, and returns the first
// number of these.
func (e *sparser) place() (absorbing uint32) {
	next := uint32(len(e.words))
	var last []int32
	for head := range int32(e.states()) {
		for s := head; s >= 0 && e.at[s] == 0; {
			f := e.form(s)
			if f.row == &e.stay && f.n == 0 {
				last = append(last, s)
				break
			}
			s, next = e.placeOne(s, next, f)
		}
	}
	absorbing = noAbsorbing
	if len(last) > 0 {
		absorbing = next
	}
	for _, s := range last {
		e.at[s] = next
		next += 2
	}
	e.words = append(e.words, make([]uint32, int(next)-len(e.words))...)
	return absorbing
}

// placeOne numbers a state and returns the state that has to stand behind it,
// or -1.
func (e *sparser) placeOne(s int32, next uint32, f form) (behind int32, _ uint32) {
	if f.home >= 0 {
		next++
	}
	e.at[s] = next
	if f.home < 0 && len(f.differ) == 1 && e.verdict[s] == f.row.verdict {
		to := f.differ[0].to
		if e.at[to] == 0 && e.canFollow(to) {
			e.chained[s] = true
			return to, next + 1
		}
	}
	return -1, next + 2 + uint32(f.n)
}

// canFollow reports whether a state can stand right behind another.
func (e *sparser) canFollow(s int32) bool {
	diff := e.diff
	e.diff = nil
	f := e.form(s)
	e.diff = diff
	return f.home < 0 && (f.row != &e.stay || len(f.differ) > 0)
}

// write fills in the words of all rows and states.
func (e *sparser) write() {
	e.words[0] = uint32(e.stay.verdict)
	for col := 1; col <= e.classCount; col++ {
		if int(e.byCol[col]) != e.pad {
			e.words[int(e.home.at)+col] = sparseHome
		}
	}
	for i := range e.shared {
		r := &e.shared[i]
		if r.relative {
			continue
		}
		e.words[r.at] = uint32(r.verdict)
		for c, to := range e.base[i*e.classCount:][:e.classCount] {
			if c != e.pad {
				e.words[int(r.at)+int(e.column[c])] = e.at[to]
			}
		}
	}
	for s := range int32(e.states()) {
		e.writeState(s)
	}
}

func (e *sparser) writeState(s int32) {
	f, at := e.form(s), e.at[s]
	word := f.row.at / 4 << sparseRowShift
	if e.chained[s] {
		e.words[at] = word | uint32(f.lo)
		return
	}
	if f.home >= 0 {
		e.words[at-1] = e.at[f.home]
	}
	e.words[at+1] = uint32(e.verdict[s]) | uint32(f.n)<<16
	if f.n == 0 {
		e.words[at] = word
		return
	}
	e.words[at] = word | sparseWindow | uint32(f.lo)
	window := e.words[at+2:][:f.n]
	copy(window, e.words[int(f.row.at)+int(f.lo):])
	for _, x := range f.differ {
		window[int32(e.column[x.class])-f.lo] = e.at[x.to]
	}
}

// sparseWords is an automaton in the sparse form, as the blob has it.
type sparseWords []byte

func (w sparseWords) at(word uint32) uint32 { return binary.LittleEndian.Uint32(w[4*word:]) }

// step returns where a column leads from a state.
func (w sparseWords) step(state uint32, column uint8) uint32 {
	head := w.at(state)
	cell := head>>sparseRowShift&sparseRowMask*4 + uint32(column)
	beyond := uint32(column) - head&0xff
	if head&sparseWindow != 0 {
		if beyond < w.at(state+1)>>16 {
			cell = state + 2 + beyond
		}
	} else if beyond == 0 {
		return state + 1
	}
	switch next := w.at(cell); next {
	case sparseStay:
		return state
	case sparseHome:
		return w.at(state - 1)
	default:
		return next
	}
}

// says returns the index of the verdict row of a state.
func (w sparseWords) says(state uint32) uint16 {
	head := w.at(state)
	if head&sparseWindow == 0 && head&0xff != 0 {
		return uint16(w.at(head >> sparseRowShift & sparseRowMask * 4))
	}
	return uint16(w.at(state + 1))
}

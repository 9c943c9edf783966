package policy

// dfa is a deterministic automaton. Thousands of states in the middle of long
// literals differ from each other in a transition or two, so a state is a base
// row, which it shares, and its exceptions.
type dfa struct {
	class      [256]uint16
	classCount int
	// pad is the class of byte 0 where it leaves every state as it is, else -1.
	// No row and no exception says anything about it.
	pad   int
	base  []int32 // rows times classes; unknown: all states of the row have an exception
	row   []int32 // of a state: number of its base row
	exc   []exception
	end   []int32 // of a state's exceptions, by state; sorted by class
	rows  []verdictRow
	start int32
}

// exception is a transition in which a state differs from its base row.
type exception struct {
	class int32
	to    int32
}

const unknown = -1

func (d *dfa) states() int { return len(d.row) }

func (d *dfa) baseRows() int { return len(d.base) / d.classCount }

func (d *dfa) exceptions(s int32) []exception {
	first := int32(0)
	if s > 0 {
		first = d.end[s-1]
	}
	return d.exc[first:d.end[s]]
}

// baseOf returns the base row of a state.
func (d *dfa) baseOf(s int32) []int32 {
	return d.base[int(d.row[s])*d.classCount:][:d.classCount]
}

// targets writes the whole row of a state into out.
func (d *dfa) targets(s int32, out []int32) {
	copy(out, d.baseOf(s))
	for _, e := range d.exceptions(s) {
		out[e.class] = e.to
	}
	if d.pad >= 0 {
		out[d.pad] = s
	}
}

// addState appends a state with exceptions in order of their classes.
func (d *dfa) addState(row int32, exc []exception) {
	d.row = push(d.row, row)
	d.exc = push(d.exc, exc...)
	d.end = push(d.end, int32(len(d.exc)))
}

package policy

import "encoding/binary"

// Machine is a read-only view of one automaton of compiled tables, for tools
// that walk over all subjects at once.
type Machine struct {
	tables           *Tables
	kind             Kind
	units            []byte
	class            []byte
	start, absorbing State
	sparse           bool
}

// State is a state of a Machine. States of different machines have nothing to
// do with each other.
type State uint32

// Machine returns the automaton of a kind. A classifier is not Present where no
// rule of the policy depends on it.
func (t *Tables) Machine(k Kind) Machine {
	le := binary.LittleEndian
	head := t.Blob[offAutomata+int(k)*automatonSize:]
	off, units, encoding := le.Uint32(head), le.Uint32(head[4:])*unitSize, le.Uint16(head[18:])
	if encoding == encodingSparse {
		units = units / unitSize * sparseUnit
	}
	if k >= numKinds || encoding == 0 {
		units = 0
	}
	return Machine{
		tables: t, kind: k, sparse: encoding == encodingSparse,
		units:     t.Blob[off:][:units],
		class:     t.Blob[offClasses+int(k)*256:][:256],
		start:     State(le.Uint32(head[8:])),
		absorbing: State(le.Uint32(head[12:])),
	}
}

// Present reports whether the tables have this automaton.
func (m Machine) Present() bool { return len(m.units) > 0 }

// Encoding returns the form of the automaton in the tables: "dense", "sparse",
// or "" if it is not present.
func (m Machine) Encoding() string {
	switch {
	case !m.Present():
		return ""
	case m.sparse:
		return "sparse"
	}
	return "dense"
}

// Start returns the state before the first byte of a subject.
func (m Machine) Start() State { return m.start }

// Next returns the state behind a byte.
func (m Machine) Next(s State, b byte) State {
	if m.sparse {
		return State(sparseWords(m.units).step(uint32(s), m.class[b]))
	}
	return State(binary.LittleEndian.Uint16(m.units[int(s)*unitSize+2*int(m.class[b]):]))
}

// Class returns the column of a byte: bytes of one column are never told apart.
func (m Machine) Class(b byte) byte { return m.class[b] }

// Absorbing reports whether no byte changes the state any more.
func (m Machine) Absorbing(s State) bool { return s >= m.absorbing }

// Verdict returns the verdict on a subject that ends in a state, with nothing
// known beside it.
func (m Machine) Verdict(s State) Verdict { return m.VerdictIn(s, Classes{}) }

// VerdictIn returns the verdict on a subject that ends in a state.
func (m Machine) VerdictIn(s State, c Classes) Verdict {
	row := m.row(s)
	v := m.tables.settle(row, c).verdict()
	v.Launcher = row.flags&flagLauncher != 0
	return v
}

// Outcome returns the class of a subject that ends in a state of a classifier.
func (m Machine) Outcome(s State) uint16 { return m.row(s).class }

func (m Machine) row(s State) storedRow {
	if m.sparse {
		return m.tables.rowAt(sparseWords(m.units).says(uint32(s)))
	}
	return m.tables.rowAt(binary.LittleEndian.Uint16(m.units[int(s)*unitSize:]))
}

// run returns the state behind a subject, as the kernel comes there.
func (m Machine) run(subject []byte) State {
	state := m.start
	if m.kind == KindCommand { // NUL is a symbol: no padding
		return m.feed(state, subject)
	}
	for start := 0; start < len(subject) && state < m.absorbing; start += blockSize {
		var block [blockSize]byte
		copy(block[:], subject[start:])
		state = m.feed(state, block[:])
	}
	return state
}

// feed returns the state behind some bytes.
func (m *Machine) feed(state State, bytes []byte) State {
	s, units, class := uint32(state), m.units, m.class
	if m.sparse {
		for _, b := range bytes {
			s = sparseWords(units).step(s, class[b])
		}
		return State(s)
	}
	for _, b := range bytes {
		s = uint32(binary.LittleEndian.Uint16(units[s*unitSize+2*uint32(class[b]):]))
	}
	return State(s)
}

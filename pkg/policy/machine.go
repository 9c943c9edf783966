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
}

// State is a state of a Machine. States of different machines have nothing to
// do with each other.
type State uint32

// Machine returns the automaton of a kind.
func (t *Tables) Machine(k Kind) Machine {
	head := t.Blob[offAutomata+int(k)*automatonSize:]
	off := binary.LittleEndian.Uint32(head)
	units := binary.LittleEndian.Uint32(head[4:])
	return Machine{
		tables: t, kind: k,
		units:     t.Blob[off:][:units*unitSize],
		class:     t.Blob[offClasses+int(k)*256:][:256],
		start:     State(binary.LittleEndian.Uint16(head[8:])),
		absorbing: State(binary.LittleEndian.Uint16(head[10:])),
	}
}

// Start returns the state before the first byte of a subject.
func (m Machine) Start() State { return m.start }

// Next returns the state behind a byte.
func (m Machine) Next(s State, b byte) State {
	return State(binary.LittleEndian.Uint16(m.units[int(s)*unitSize+2*int(m.class[b]):]))
}

// Class returns the column of a byte: bytes of one column are never told apart.
func (m Machine) Class(b byte) byte { return m.class[b] }

// Absorbing reports whether no byte changes the state any more.
func (m Machine) Absorbing(s State) bool { return s >= m.absorbing }

// Verdict returns the verdict on a subject that ends in a state.
func (m Machine) Verdict(s State) Verdict {
	index := binary.LittleEndian.Uint16(m.units[int(s)*unitSize:])
	at := int(binary.LittleEndian.Uint32(m.tables.Blob[offRows:])) + int(index)*rowSize
	row := m.tables.Blob[at:][:rowSize]
	return verdictRow{rule: binary.LittleEndian.Uint16(row), allow: row[2] != 0, flags: row[3]}.verdict()
}

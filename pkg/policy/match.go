package policy

import "encoding/binary"

// Classes are what a verdict may depend on beside its subject, as Classify
// gives them. 0 stands for what is not known: denies that depend on it hold
// and allows do not; of names, no rule does.
type Classes struct {
	Exe     uint16 // of the executable that the acting process runs
	Command uint16 // of the program and its arguments
	Name    uint16 // of the name that the address is bound to
}

// Match is MatchIn with nothing known beside the subject.
func (t *Tables) Match(k Kind, subject []byte) Verdict { return t.MatchIn(k, subject, Classes{}) }

// MatchIn runs the tables over a subject, exactly as the kernel does: in whole
// blocks, the last one padded with zeros, until a state is absorbing. The
// subject begins with its class byte: see PathSubject and its sisters.
func (t *Tables) MatchIn(k Kind, subject []byte, c Classes) Verdict {
	m := t.Machine(k)
	if !m.Present() || k.classifies() {
		return Verdict{Rule: ruleInternal}
	}
	return m.VerdictIn(m.run(subject), c)
}

// Classify returns the class of the subject of a classifier: KindExe,
// KindCommand or KindName. It is 0 if no rule of the policy asks.
func (t *Tables) Classify(k Kind, subject []byte) uint16 {
	m := t.Machine(k)
	if !m.Present() || !k.classifies() {
		return 0
	}
	return m.Outcome(m.run(subject))
}

// settle follows the vectors of a row to the verdict.
func (t *Tables) settle(r storedRow, c Classes) storedRow {
	for r.cond != condNone {
		class := [...]uint16{condExe: c.Exe, condCommand: c.Command, condName: c.Name}[r.cond]
		if most := t.Outcomes(r.cond.kind()); class > most {
			class = 0 // given by other tables
		}
		index := binary.LittleEndian.Uint16(t.Blob[r.vector+2*uint32(class):])
		r = t.rowAt(index)
	}
	return r
}

// Outcomes is the number of classes that a classifier tells apart: it gives 1
// to Outcomes, or 0 if no rule of the policy asks.
func (t *Tables) Outcomes(k Kind) uint16 {
	return uint16(binary.LittleEndian.Uint32(t.Blob[offAutomata+int(k)*automatonSize+20:]))
}

// storedRow is a verdict row as the blob has it.
type storedRow struct {
	verdictRow
	vector uint32 // offset
}

func (t *Tables) rowAt(index uint16) storedRow {
	b := t.Blob[binary.LittleEndian.Uint32(t.Blob[offRows:])+uint32(index)*rowSize:]
	return storedRow{
		verdictRow: verdictRow{
			rule: binary.LittleEndian.Uint16(b), allow: b[2] != 0, flags: b[3],
			cond: condition(b[4]), class: binary.LittleEndian.Uint16(b[6:]),
		},
		vector: binary.LittleEndian.Uint32(b[8:]),
	}
}

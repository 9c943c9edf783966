package policy

import "encoding/binary"

// Match runs the tables over a subject, exactly as the kernel does: in whole
// blocks, the last one padded with zeros, until a state is absorbing. The
// subject begins with its class byte: see PathSubject and its sisters.
func (t *Tables) Match(k Kind, subject []byte) Verdict {
	blob := t.Blob
	head := blob[offAutomata+int(k)*automatonSize:]
	off := binary.LittleEndian.Uint32(head)
	if k >= numKinds || binary.LittleEndian.Uint32(head[4:]) == 0 {
		return Verdict{Rule: ruleInternal}
	}
	state := binary.LittleEndian.Uint16(head[8:])
	absorbing := binary.LittleEndian.Uint16(head[10:])
	classes := blob[offClasses+int(k)*256:][:256]
	for start := 0; start < len(subject) && state < absorbing; start += blockSize {
		var block [blockSize]byte
		copy(block[:], subject[start:])
		for _, b := range block {
			at := int(off) + int(state)*unitSize + int(classes[b])*2
			state = binary.LittleEndian.Uint16(blob[at:])
		}
	}
	index := binary.LittleEndian.Uint16(blob[int(off)+int(state)*unitSize:])
	at := int(binary.LittleEndian.Uint32(blob[offRows:])) + int(index)*rowSize
	row := verdictRow{
		rule:  binary.LittleEndian.Uint16(blob[at:]),
		allow: blob[at+2] != 0,
		flags: blob[at+3],
	}
	return row.verdict()
}

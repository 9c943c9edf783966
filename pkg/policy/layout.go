package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// layout writes automata in the form of docs/format/policy.md.
type layout struct {
	verdicts *verdicts
	automata [numKinds]*dfa // nil: absent
	rows     []verdictRow
	rowIndex map[verdictRow]uint16
	vectors  []int32          // in the order of the blob
	vectorAt map[int32]uint32 // offset
	size     uint32           // of header, rows and vectors
}

func (l *layout) write(t *Tables, rs *ruleSet) error {
	le := binary.LittleEndian
	l.rowIndex, l.vectorAt = map[verdictRow]uint16{}, map[int32]uint32{}
	for _, d := range l.automata {
		if d == nil {
			continue
		}
		for _, r := range d.rows {
			if err := l.addRow(r); err != nil {
				return err
			}
		}
	}
	l.placeVectors()
	if l.size > LargeTable {
		return fmt.Errorf("compile policy: the verdicts by %s need more than %d bytes", "executable, command or name", LargeTable)
	}
	blob := make([]byte, (l.size+unitSize-1)/unitSize*unitSize)
	le.PutUint32(blob, tableMagic)
	le.PutUint16(blob[4:], tableVersion)
	le.PutUint32(blob[offRules:], uint32(len(t.Rules)))
	le.PutUint32(blob[offRows:], firstFree)
	le.PutUint32(blob[offRows+4:], uint32(len(l.rows)))
	rs.writeSettings(blob)
	l.writeRows(blob)
	blob, err := l.writeAutomata(t, blob)
	if err != nil {
		return err
	}
	le.PutUint32(blob[offSize:], uint32(len(blob)))
	t.Blob = blob
	t.Hash = sha256.Sum256(blob)
	t.ID = le.Uint64(t.Hash[:])
	le.PutUint64(blob[offID:], t.ID)
	return nil
}

// addRow numbers a row, behind those that its vector leads to.
func (l *layout) addRow(r verdictRow) error {
	if _, ok := l.rowIndex[r]; ok {
		return nil
	}
	if r.cond != condNone {
		if _, ok := l.vectorAt[r.vector]; !ok {
			for _, to := range l.verdicts.vectors[r.vector] {
				if err := l.addRow(to); err != nil {
					return err
				}
			}
			l.vectorAt[r.vector] = 0 // until the rows are known
			l.vectors = append(l.vectors, r.vector)
		}
	}
	if len(l.rows) == maxRows {
		return fmt.Errorf("compile policy: more than %d verdicts", maxRows)
	}
	l.rowIndex[r] = uint16(len(l.rows))
	l.rows = append(l.rows, r)
	return nil
}

// placeVectors gives each vector its offset behind the rows.
func (l *layout) placeVectors() {
	at := uint32(firstFree + len(l.rows)*rowSize)
	for _, v := range l.vectors {
		l.vectorAt[v] = at
		at += uint32(2 * len(l.verdicts.vectors[v]))
	}
	l.size = at
}

func (l *layout) writeRows(blob []byte) {
	le := binary.LittleEndian
	for i, r := range l.rows {
		b := blob[firstFree+i*rowSize:]
		le.PutUint16(b, r.rule)
		b[2], b[3], b[4] = boolByte(r.allow), r.flags, byte(r.cond)
		le.PutUint16(b[6:], r.class)
		if r.cond != condNone {
			le.PutUint32(b[8:], l.vectorAt[r.vector])
		}
	}
	for _, v := range l.vectors {
		for i, r := range l.verdicts.vectors[v] {
			le.PutUint16(blob[l.vectorAt[v]+uint32(2*i):], l.rowIndex[r])
		}
	}
}

// order lists the states from the start on, breadth first, those that lead
// only to themselves last. It returns the index of the first of these.
func (d *dfa) order() (states []int32, absorbing int) {
	seen := make([]bool, d.states())
	queue := []int32{d.start}
	seen[d.start] = true
	var last []int32
	targets := make([]int32, d.classCount)
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		loops := true
		d.targets(s, targets)
		for _, to := range targets {
			loops = loops && to == s
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
		if loops {
			last = append(last, s)
		} else {
			states = append(states, s)
		}
	}
	return append(states, last...), len(states)
}

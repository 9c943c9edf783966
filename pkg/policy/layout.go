package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// layout writes automata in the form of docs/format/policy.md.
type layout struct {
	automata [numKinds]*dfa
	rows     []verdictRow
	rowIndex map[verdictRow]uint16
}

func (l *layout) write(t *Tables, rs *ruleSet) error {
	le := binary.LittleEndian
	l.rowIndex = map[verdictRow]uint16{}
	for _, d := range l.automata {
		for _, r := range d.rows {
			if _, ok := l.rowIndex[r]; ok {
				continue
			}
			if len(l.rows) == maxRows {
				return fmt.Errorf("compile policy: more than %d verdicts", maxRows)
			}
			l.rowIndex[r] = uint16(len(l.rows))
			l.rows = append(l.rows, r)
		}
	}
	rowsEnd := firstFree + len(l.rows)*rowSize
	blob := make([]byte, (rowsEnd+unitSize-1)/unitSize*unitSize)
	le.PutUint32(blob, tableMagic)
	le.PutUint16(blob[4:], tableVersion)
	le.PutUint16(blob[6:], rs.headerFlags())
	le.PutUint32(blob[offRules:], uint32(len(t.Rules)))
	le.PutUint32(blob[offRows:], firstFree)
	le.PutUint32(blob[offRows+4:], uint32(len(l.rows)))
	blob[offEntrypoint] = map[string]byte{"chain": 0, "single": 1, "deny": 2}[rs.pol.Entrypoint]
	for i, r := range l.rows {
		b := blob[firstFree+i*rowSize:]
		le.PutUint16(b, r.rule)
		if r.allow {
			b[2] = 1
		}
		b[3] = r.flags
	}
	for k, d := range l.automata {
		units, err := l.encode(blob, Kind(k), d)
		if err == nil && len(blob)+len(units) > LargeTable {
			err = fmt.Errorf("the tables need more than %d bytes", LargeTable)
		}
		if err != nil {
			return rs.tooLarge(Kind(k), err, nil)
		}
		t.Units[k] = len(units) / unitSize
		blob = append(blob, units...)
	}
	le.PutUint32(blob[offSize:], uint32(len(blob)))
	t.Blob = blob
	t.Hash = sha256.Sum256(blob)
	t.ID = le.Uint64(t.Hash[:])
	le.PutUint64(blob[offID:], t.ID)
	return nil
}

// encode returns the transition units of an automaton that will start at the
// end of blob, and fills in its header and class table.
func (l *layout) encode(blob []byte, k Kind, d *dfa) ([]byte, error) {
	le := binary.LittleEndian
	if d.classCount > maxColumns {
		return nil, fmt.Errorf("kind %s distinguishes more than %d bytes", k, maxColumns)
	}
	perState := (d.classCount + 1 + unitColumns - 1) / unitColumns
	order, absorbing := d.order()
	total := len(order) * perState
	if total > maxUnits {
		return nil, fmt.Errorf("kind %s needs %d units of 64 bytes, more than %d", k, total, maxUnits)
	}
	number := make([]uint16, len(order))
	for i, s := range order {
		number[s] = uint16(i * perState)
	}
	units := make([]byte, total*unitSize)
	targets := make([]int32, d.classCount)
	for i, s := range order {
		row := units[i*perState*unitSize:]
		le.PutUint16(row, l.rowIndex[d.rows[s]])
		d.targets(s, targets)
		for c, to := range targets {
			le.PutUint16(row[2*(c+1):], number[to])
		}
	}
	head := blob[offAutomata+int(k)*automatonSize:]
	le.PutUint32(head, uint32(len(blob)))
	le.PutUint32(head[4:], uint32(total))
	le.PutUint16(head[8:], number[d.start])
	le.PutUint16(head[10:], 0xffff)
	if absorbing < len(order) {
		le.PutUint16(head[10:], uint16(absorbing*perState))
	}
	le.PutUint16(head[12:], uint16(d.classCount))
	for b, c := range d.class {
		blob[offClasses+int(k)*256+b] = byte(c + 1)
	}
	return units, nil
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

func (s *ruleSet) headerFlags() uint16 {
	var f uint16
	if s.observe {
		f |= headerObserve
	}
	if s.pol.OnAuditLoss == "deny" {
		f |= headerAuditLoss
	}
	if s.pol.OnAgentLoss == "deny" {
		f |= headerAgentLoss
	}
	return f
}

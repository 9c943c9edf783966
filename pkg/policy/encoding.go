package policy

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// Encodings of transitions; 0 is for automata that are absent.
const (
	encodingDense  = 1
	encodingSparse = 2

	sparseUnit = 16
)

// encoded is an automaton as the blob has it.
type encoded struct {
	units            []byte
	count            uint32 // of units
	start, absorbing uint32
	encoding         uint16
	classes          uint16
	column           [256]uint8 // of a byte
}

// writeAutomata appends all automata to a blob: in the dense form, which takes
// fewer instructions a byte, as far as they fit the size class in it.
func (l *layout) writeAutomata(t *Tables, blob []byte) ([]byte, error) {
	p, err := l.plan(len(blob))
	if err != nil {
		return nil, err
	}
	for k, d := range l.automata {
		if d == nil {
			continue
		}
		e := p.sparse[k]
		if !p.useSparse[k] {
			e = l.encodeDense(d)
		}
		t.Units[k] = int(e.count)
		l.writeHead(blob, Kind(k), e)
		blob = append(blob, e.units...)
		blob = append(blob, make([]byte, -len(blob)&(unitSize-1))...)
	}
	return blob, nil
}

func (l *layout) writeHead(blob []byte, k Kind, e *encoded) {
	le := binary.LittleEndian
	head := blob[offAutomata+int(k)*automatonSize:]
	le.PutUint32(head, uint32(len(blob)))
	le.PutUint32(head[4:], e.count)
	le.PutUint32(head[8:], e.start)
	le.PutUint32(head[12:], e.absorbing)
	le.PutUint16(head[16:], e.classes)
	le.PutUint16(head[18:], e.encoding)
	if k.classifies() {
		le.PutUint32(head[20:], uint32(len(l.verdicts.rs.list(k).holds)))
	}
	copy(blob[offClasses+int(k)*256:], e.column[:])
}

// plan says which automata take the sparse form.
type plan struct {
	layout    *layout
	dense     [numKinds]int // bytes
	sparse    [numKinds]*encoded
	useSparse [numKinds]bool
}

// plan finds the smallest size class that the automata fit, behind used bytes,
// with as few sparse ones as possible, the largest first.
func (l *layout) plan(used int) (*plan, error) {
	p := &plan{layout: l}
	var order []Kind
	for k, d := range l.automata {
		if d == nil {
			continue
		}
		if d.classCount > maxColumns {
			return nil, l.verdicts.tooLarge(Kind(k), fmt.Errorf("kind %s distinguishes more than %d bytes", Kind(k), maxColumns), nil)
		}
		p.dense[k] = d.denseUnits() * unitSize
		order = append(order, Kind(k))
	}
	slices.SortStableFunc(order, func(x, y Kind) int { return cmp.Compare(p.dense[y], p.dense[x]) })
	for _, class := range []int{SmallTable, LargeTable} {
		p.useSparse = [numKinds]bool{}
		for i := -1; i < len(order); i++ {
			if i >= 0 {
				p.tryOne(order[i])
			}
			if p.fits(used, class) {
				return p, nil
			}
		}
	}
	largest := slices.MaxFunc(order, func(x, y Kind) int { return cmp.Compare(p.size(x), p.size(y)) })
	err := fmt.Errorf("they take %d bytes; all tables of a policy must fit %d", p.size(largest), LargeTable)
	return nil, l.verdicts.tooLarge(largest, err, nil)
}

// tryOne takes the sparse form of an automaton if it is the smaller one.
func (p *plan) tryOne(k Kind) {
	if p.sparse[k] == nil {
		p.sparse[k] = p.layout.encodeSparse(p.layout.automata[k])
	}
	p.useSparse[k] = len(p.sparse[k].units) < p.dense[k] || p.dense[k] > maxUnits*unitSize
}

func (p *plan) size(k Kind) int {
	if p.useSparse[k] {
		return (len(p.sparse[k].units) + unitSize - 1) / unitSize * unitSize
	}
	return p.dense[k]
}

func (p *plan) fits(used, class int) bool {
	for k := range Kind(numKinds) {
		if !p.useSparse[k] && p.dense[k] > maxUnits*unitSize {
			return false
		}
		used += p.size(k)
	}
	return used <= class
}

// denseUnits is how many units the dense form takes.
func (d *dfa) denseUnits() int { return d.states() * d.unitsPerState() }

func (d *dfa) unitsPerState() int { return (d.classCount + 1 + unitColumns - 1) / unitColumns }

func (l *layout) encodeDense(d *dfa) *encoded {
	le := binary.LittleEndian
	perState := d.unitsPerState()
	order, absorbing := d.order()
	number := make([]uint16, len(order))
	for i, s := range order {
		number[s] = uint16(i * perState)
	}
	e := &encoded{
		units: make([]byte, len(order)*perState*unitSize), count: uint32(len(order) * perState),
		start: uint32(number[d.start]), absorbing: noAbsorbing,
		encoding: encodingDense, classes: uint16(d.classCount),
	}
	targets := make([]int32, d.classCount)
	for i, s := range order {
		row := e.units[i*perState*unitSize:]
		le.PutUint16(row, l.rowIndex[d.rows[s]])
		d.targets(s, targets)
		for c, to := range targets {
			le.PutUint16(row[2*(c+1):], number[to])
		}
	}
	if absorbing < len(order) {
		e.absorbing = uint32(absorbing * perState)
	}
	for b, c := range d.class {
		e.column[b] = byte(c + 1)
	}
	return e
}

func (l *layout) encodeSparse(d *dfa) *encoded {
	verdict := make([]uint16, d.states())
	for s, r := range d.rows {
		verdict[s] = l.rowIndex[r]
	}
	s := d.encodeSparse(verdict)
	e := &encoded{
		units: make([]byte, (4*len(s.words)+sparseUnit-1)/sparseUnit*sparseUnit),
		start: s.start, absorbing: s.absorbing,
		encoding: encodingSparse, classes: uint16(d.classCount),
	}
	e.count = uint32(len(e.units) / sparseUnit)
	for i, w := range s.words {
		binary.LittleEndian.PutUint32(e.units[4*i:], w)
	}
	for b, c := range d.class {
		e.column[b] = s.column[c]
	}
	return e
}

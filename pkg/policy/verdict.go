package policy

import (
	"encoding/binary"
	"slices"
)

// verdicts resolves lists of candidate steps into rows, for all kinds of one
// rule set. Where conditions decide between the candidates, the row has a
// vector with the outcome for each class of the string that is asked for.
type verdicts struct {
	rs      *ruleSet
	vectors [][]verdictRow
	ids     map[string]int32
	entries int // of all vectors
	looked  int // steps looked at
	spent   cost
}

// verdict returns the row for the candidates of a set, by their orders.
func (b *subset) verdict(orders []int32) verdictRow {
	if b.kind.classifies() {
		var set bitSet
		for _, o := range orders {
			if !b.steps[o].always {
				set.add(b.steps[o].exe)
			}
		}
		return verdictRow{class: b.rules.list(b.kind).classOf(set)}
	}
	if len(orders) == 1 {
		return b.steps[orders[0]].row()
	}
	b.code = b.code[:0]
	for _, o := range orders {
		b.code = binary.LittleEndian.AppendUint32(b.code, uint32(o))
	}
	if row, ok := b.resolved[string(b.code)]; ok {
		return row
	}
	if b.verdicts.tooMuch() {
		return verdictRow{rule: ruleInternal} // build gives up
	}
	key := string(b.code)
	steps := make([]*step, len(orders))
	for i, o := range orders {
		steps[i] = &b.steps[o]
	}
	row := b.verdicts.resolve(steps, condNone)
	b.resolved[key] = row
	return row
}

// number is the matcher of a condition that the step depends on, or 0.
func (s *step) number(c condition) uint16 {
	return [...]uint16{condExe: s.exe, condCommand: s.command, condName: s.name}[c]
}

// resolve finds the verdict of steps of which the first that holds decides.
// The conditions up to known have been settled.
func (v *verdicts) resolve(steps []*step, known condition) verdictRow {
	for c := known + 1; c <= condName; c++ {
		if end := slices.IndexFunc(steps, func(s *step) bool { return !s.mark && s.settled(c-1) }); end >= 0 {
			steps = steps[:end+1] // what stands behind can never decide
		}
		if slices.ContainsFunc(steps, func(s *step) bool { return s.number(c) != 0 }) {
			return v.split(steps, c)
		}
	}
	counted := true
	for _, s := range steps {
		if s.mark {
			counted = false
			continue
		}
		row := s.row()
		if !counted {
			row.flags &^= flagCount
		}
		return row
	}
	return verdictRow{rule: ruleInternal}
}

// settled reports whether a step depends on no condition behind known.
func (s *step) settled(known condition) bool {
	for c := known + 1; c <= condName; c++ {
		if s.number(c) != 0 {
			return false
		}
	}
	return true
}

// split makes the row of a condition: its verdict for each class.
func (v *verdicts) split(steps []*step, c condition) verdictRow {
	classes := v.rs.list(c.kind()).holds
	vector := make([]verdictRow, len(classes)+1)
	var left []*step
	for class := range vector {
		left = left[:0]
		for _, s := range steps {
			v.looked++
			n := s.number(c)
			switch {
			case n == 0:
			case class > 0 && !classes[class-1].has(n):
				continue
			case class == 0 && !s.holdsUnknown(c):
				continue
			}
			left = append(left, s)
			if !s.mark && s.settled(c) {
				break
			}
		}
		vector[class] = v.resolve(left, c)
	}
	out := vector[0]
	if !slices.ContainsFunc(vector, func(r verdictRow) bool { return r != out }) {
		return out
	}
	out.cond, out.vector = c, v.intern(vector)
	out.allow = slices.ContainsFunc(vector, func(r verdictRow) bool { return r.allow })
	return out
}

// holdsUnknown says how a step is decided when the string of its condition is
// not known: against the process, except that no name is the usual case.
func (s *step) holdsUnknown(c condition) bool {
	return c != condName && (!s.allow || s.mark)
}

// kind is the classifier of a condition.
func (c condition) kind() Kind {
	return [...]Kind{condExe: KindExe, condCommand: KindCommand, condName: KindName}[c]
}

func (v *verdicts) intern(vector []verdictRow) int32 {
	var key []byte
	for _, r := range vector {
		key = binary.LittleEndian.AppendUint16(key, r.rule)
		key = append(key, boolByte(r.allow), r.flags, byte(r.cond))
		key = binary.LittleEndian.AppendUint32(key, uint32(r.vector))
	}
	if id, ok := v.ids[string(key)]; ok {
		return id
	}
	id := int32(len(v.vectors))
	v.ids[string(key)] = id
	v.vectors = append(v.vectors, vector)
	v.entries += len(vector)
	return id
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

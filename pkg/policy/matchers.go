package policy

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// matcherList holds the distinct matchers of a policy over one string beside
// the subject: the executable, the command or the bound name.
type matcherList struct {
	steps []step
	ids   map[string]uint16
	// holds lists, for each class of the string from 1 on, the matchers that hold.
	holds []bitSet
	class map[string]uint16
}

// number returns the number of a matcher, from 1, or 0 for none. inPlace is
// part of what a command matcher means: see Rule.inStandardPlaces.
func (l *matcherList) number(m *Matcher, inPlace bool) uint16 {
	if m == nil {
		return 0
	}
	var key strings.Builder
	fmt.Fprint(&key, inPlace)
	for _, c := range m.Conditions {
		fmt.Fprintf(&key, " %d %q", c.Operator, c.Values)
	}
	if id, ok := l.ids[key.String()]; ok {
		return id
	}
	if l.ids == nil {
		l.ids = map[string]uint16{}
	}
	id := uint16(len(l.steps) + 1)
	l.ids[key.String()] = id
	// Never a rule of the policy: the matcher stands in the field of its kind,
	// and allow says whether standardPlaces bind it.
	l.steps = append(l.steps, step{rule: &Rule{Path: m, Host: m, Command: m}, allow: inPlace, exe: id})
	return id
}

// listMatchers numbers all matchers in the order of the rules, so that the
// numbers do not depend on which kind asks first.
func (s *ruleSet) listMatchers() {
	for _, rules := range [][]numbered{s.floor, s.user} {
		for _, r := range rules {
			s.exes.list(r, r.Exe, false)
			if namesHosts(r.Host) {
				s.names.list(r, r.Host, false)
			}
			st := s.commands.list(r, r.Command, r.inStandardPlaces())
			alone := r.Path == nil && r.Exe == nil && !r.marks() && !r.idle()
			if st != nil && alone && st.settles == 0 {
				st.settles = int32(len(s.commands.steps))
			}
		}
	}
}

// list numbers a matcher of a rule and returns its step, nil for none.
func (l *matcherList) list(r numbered, m *Matcher, inPlace bool) *step {
	n := l.number(m, inPlace)
	if n == 0 {
		return nil
	}
	st := &l.steps[n-1]
	if st.num == 0 {
		st.num = r.num // who is to blame for what it costs
	}
	return st
}

// marks reports whether the rule has its subjects recorded one by one instead
// of deciding; idle, whether it does neither.
func (r numbered) marks() bool { return r.origin == OriginFloor && r.Decision == DecisionAudit }

func (r numbered) idle() bool { return r.origin == OriginFloor && r.Decision == DecisionAllow }

// matcherSteps lists the matchers of a classifier as steps of which none
// decides: all that match count.
func (s *ruleSet) matcherSteps(k Kind) []step {
	out := s.list(k).steps
	return append(out[:len(out):len(out)], step{always: true})
}

func (s *ruleSet) list(k Kind) *matcherList {
	switch k {
	case KindExe:
		return &s.exes
	case KindCommand:
		return &s.commands
	}
	return &s.names
}

// bitSet is a set of small numbers.
type bitSet []uint64

func (b bitSet) has(n uint16) bool { return int(n/64) < len(b) && b[n/64]>>(n%64)&1 != 0 }

func (b *bitSet) add(n uint16) {
	for int(n/64) >= len(*b) {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}

func (b bitSet) key() string {
	out := make([]byte, 0, 8*len(b))
	for _, w := range b {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return strings.TrimRight(string(out), "\x00")
}

// classOf returns the number of the class whose subjects meet exactly these
// matchers. Class 1 meets none: whom no rule names.
func (l *matcherList) classOf(set bitSet) uint16 {
	key := set.key()
	if id, ok := l.class[key]; ok {
		return id
	}
	if l.class == nil {
		var none bitSet
		l.holds, l.class = append(l.holds, none), map[string]uint16{none.key(): 1}
		return l.classOf(set)
	}
	l.holds = append(l.holds, set)
	l.class[key] = uint16(len(l.holds))
	return uint16(len(l.holds))
}

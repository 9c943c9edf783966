package policy

import (
	"net/netip"
	"slices"
)

// evalSubject is a subject taken apart, with the facts around it.
type evalSubject struct {
	kind  Kind
	class byte
	text  string // path or host name
	addr  netip.Addr
	proto uint8
	port  uint16

	exe     *evalSubject // nil: not known
	command *evalCommand
	name    *evalSubject
}

func wellFormed(k Kind, subject []byte) bool {
	if len(subject) == 0 {
		return false
	}
	switch class := subject[0]; {
	case k == KindHost:
		return class == 1
	case k == KindAddr:
		return len(subject) == 20 && (class == 1 || class == 2)
	default:
		return class >= 1 && class <= 3
	}
}

func takeApart(k Kind, subject []byte) *evalSubject {
	s := &evalSubject{kind: k, class: subject[0]}
	switch k {
	case KindAddr:
		s.addr = netip.AddrFrom16([16]byte(subject[1:17])).Unmap()
		s.proto = subject[17]
		s.port = uint16(subject[18])<<8 | uint16(subject[19])
	case KindHost:
		name := slices.Clone(subject[1:])
		slices.Reverse(name)
		s.text = string(name)
	default:
		s.text = string(subject[1:])
	}
	return s
}

// addFacts takes the facts apart. One that is malformed is not known.
func (s *evalSubject) addFacts(f Facts) {
	if wellFormed(KindRead, f.Exe) {
		s.exe = takeApart(KindRead, f.Exe)
	}
	if wellFormed(KindRead, f.Command) {
		s.command = takeCommand(f.Command)
	}
	if wellFormed(KindHost, f.Name) {
		s.name = takeApart(KindHost, f.Name)
	}
}

// meets reports whether all matchers of a rule hold.
func (s *evalSubject) meets(a asked) bool {
	switch {
	case a.num == ruleLoopback:
		return s.class == classRoot && (s.addr.IsLoopback() || s.addr.IsUnspecified())
	case a.num == ruleMetadata:
		return s.isMetadata()
	}
	// What is not known speaks against the process.
	against := a.rule.Decision == DecisionDeny || a.marks()
	own := a.origin != OriginBaseline
	return s.meetsSubject(a.rule, own) && s.meetsExe(a.rule, against) && s.meetsCommand(a.rule, against)
}

func (s *evalSubject) meetsSubject(r *Rule, own bool) bool {
	switch s.kind {
	case KindAddr:
		return s.meetsAddr(r)
	case KindHost:
		return r.Host == nil || s.meetsName(r.Host)
	}
	return r.Path == nil || s.meetsPath(r, own)
}

func (s *evalSubject) meetsPath(r *Rule, own bool) bool {
	if s.class == classNoPath || (r.rootOnly && s.class != classRoot) || (r.mountOnly && s.class != classVolume) {
		return false
	}
	for i := range r.except {
		if matchesPath(&r.except[i], s.text, false) {
			return false
		}
	}
	return s.meetsPaths(r.Path, own)
}

// meetsPaths compares a path with a matcher. On volumes, the user's rules pass
// over the directories that kubelet keeps there.
func (s *evalSubject) meetsPaths(m *Matcher, own bool) bool {
	return allHold(m, func(c *Condition) bool {
		return slices.ContainsFunc(c.paths, func(p pathPattern) bool { return matchesPath(&p, s.text, own && s.class == classVolume) })
	})
}

func (s *evalSubject) meetsName(m *Matcher) bool {
	return allHold(m, func(c *Condition) bool {
		return slices.ContainsFunc(c.hosts, func(p hostPattern) bool { return matchesHost(&p, s.text) })
	})
}

func (s *evalSubject) meetsExe(r *Rule, against bool) bool {
	switch {
	case r.Exe == nil:
		return true
	case s.exe == nil:
		return against
	}
	return s.exe.class != classNoPath && s.exe.meetsPaths(r.Exe, true)
}

// allHold reports whether each condition of a matcher holds.
func allHold(m *Matcher, holds func(*Condition) bool) bool {
	for i := range m.Conditions {
		if !holds(&m.Conditions[i]) {
			return false
		}
	}
	return len(m.Conditions) > 0
}

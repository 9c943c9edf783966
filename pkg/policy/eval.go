package policy

import (
	"net/netip"
	"strings"
)

// Evaluate answers what Match answers, without tables: rule by rule, condition
// by condition, pattern by pattern. It is the reference that the tables are
// tested against; it is slow, and it shares no matching code with Compile.
func Evaluate(p *Policy, o Options, k Kind, subject []byte) Verdict {
	e, err := newEvaluator(p, o)
	if err != nil {
		return Verdict{Rule: ruleInternal}
	}
	return e.evaluate(k, subject)
}

// evaluator keeps the ordered rules of each kind, for many subjects.
type evaluator struct {
	steps     [numKinds][]step
	launchers []pathPattern
}

func newEvaluator(p *Policy, o Options) (*evaluator, error) {
	rs, err := newRuleSet(p, o)
	if err != nil {
		return nil, err
	}
	e := &evaluator{launchers: rs.launchers}
	for k := range Kind(numKinds) {
		e.steps[k] = rs.steps(k)
	}
	return e, nil
}

func (e *evaluator) evaluate(k Kind, subject []byte) Verdict {
	if k >= numKinds || !wellFormed(k, subject) {
		return Verdict{Rule: ruleInternal}
	}
	steps := e.steps[k]
	s := takeApart(k, subject)
	var hit step
	for i := 0; i < len(steps); i++ {
		if steps[i].always || s.matches(steps[i]) {
			hit = steps[i]
			break
		}
	}
	v := Verdict{Rule: hit.num, Allow: hit.allow, Count: hit.allow && hit.count, Matched: hit.matched, Floor: hit.floor}
	if k == KindExec && s.class != classNoPath {
		for i := range e.launchers {
			v.Launcher = v.Launcher || s.matchesPath(&e.launchers[i], false)
		}
	}
	return v
}

// evalSubject is a subject taken apart.
type evalSubject struct {
	kind  Kind
	class byte
	text  string // path or host name
	addr  netip.Addr
	proto uint8
	port  uint16
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

func takeApart(k Kind, subject []byte) evalSubject {
	s := evalSubject{kind: k, class: subject[0]}
	switch k {
	case KindAddr:
		s.addr = netip.AddrFrom16([16]byte(subject[1:17])).Unmap()
		s.proto = subject[17]
		s.port = uint16(subject[18])<<8 | uint16(subject[19])
	case KindHost:
		for i := len(subject) - 1; i > 0; i-- {
			s.text += string(subject[i : i+1])
		}
	default:
		s.text = string(subject[1:])
	}
	return s
}

// matches reports whether a step with a matcher matches.
func (s *evalSubject) matches(st step) bool {
	switch {
	case s.kind == KindAddr:
		return s.matchesAddr(st)
	case s.kind == KindHost:
		return s.matchesAll(st.rule.Host.Conditions, func(c *Condition) bool {
			for i := range c.hosts {
				if s.matchesHost(&c.hosts[i]) {
					return true
				}
			}
			return false
		})
	case s.class == classNoPath, st.rule.rootOnly && s.class != classRoot, st.rule.mountOnly && s.class != classVolume:
		return false
	}
	for i := range st.rule.except {
		if s.matchesPath(&st.rule.except[i], false) {
			return false
		}
	}
	return s.matchesAll(st.rule.Path.Conditions, func(c *Condition) bool {
		for i := range c.paths {
			if s.matchesPath(&c.paths[i], st.matched && s.class == classVolume) {
				return true
			}
		}
		return false
	})
}

func (s *evalSubject) matchesAll(conditions []Condition, holds func(*Condition) bool) bool {
	for i := range conditions {
		if !holds(&conditions[i]) {
			return false
		}
	}
	return len(conditions) > 0
}

// matchesAddr decides a step about an address.
func (s *evalSubject) matchesAddr(st step) bool {
	isMetadata := anyContains(metadataAddresses, s.addr)
	switch {
	case st.num == ruleLoopback:
		loop := s.addr.IsLoopback() || s.addr.IsUnspecified()
		return s.class == classRoot && loop
	case st.num == ruleMetadata:
		return isMetadata
	}
	r := st.rule
	named := false // by an address or a range narrow enough
	if r.hasCIDRs {
		if !s.withinAny(r.CIDRs, &named) {
			return false
		}
	}
	if r.Host != nil {
		for _, c := range r.Host.Conditions {
			if !s.isAny(c.addrs) {
				return false
			}
			named = true
		}
	}
	if st.allow && isMetadata && !named {
		return false
	}
	return s.onPort(r)
}

// withinAny reports whether a range holds the address, and sets named when one
// of them is narrow. The unspecified address is loopback.
func (s *evalSubject) withinAny(ranges []netip.Prefix, named *bool) bool {
	found := false
	for _, p := range ranges {
		if !p.Contains(s.addr) && !(s.addr.IsUnspecified() && p.Contains(loopbackOf(s.addr))) {
			continue
		}
		found = true
		if p.IsSingleIP() || p.Addr().Is4() && p.Bits() >= 30 || p.Addr().Is6() && p.Bits() >= 126 {
			*named = true
		}
	}
	return found
}

func (s *evalSubject) isAny(addrs []netip.Addr) bool {
	for _, a := range addrs {
		if a == s.addr || s.addr.IsUnspecified() && a == loopbackOf(s.addr) {
			return true
		}
	}
	return false
}

func (s *evalSubject) onPort(r *Rule) bool {
	if r.hasProtocols && !strings.ContainsRune(string(r.Protocols), rune(s.proto)) {
		return false
	}
	if !r.hasPorts {
		return true
	}
	for _, p := range r.Ports {
		if p.Low <= s.port && s.port <= p.High {
			return true
		}
	}
	return false
}

func loopbackOf(unspecified netip.Addr) netip.Addr {
	if unspecified.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

func anyContains(ranges []netip.Prefix, a netip.Addr) bool {
	for _, p := range ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

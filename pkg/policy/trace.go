package policy

import (
	"fmt"
	"slices"
)

// Asked is one rule that was asked about an action, in the order in which the
// language asks them.
type Asked struct {
	Rule    uint16 // index into Tables.Rules
	Matches bool
	Misses  []Miss // why it does not match
}

// Miss is a matcher of a rule that does not hold.
type Miss struct {
	Field string // "path", "host", "cidr", "port", "protocol", "exe", "command", "mounted", "except"
	Wants string // what it compares with, such as "glob /app/**"
}

// Trace asks the rules of a policy about an action, one after the other up to
// the one that decides, and says of each other why it does not match. Where
// none is left, the default decides. It answers as Evaluate does: slowly.
func Trace(p *Policy, o Options, k Kind, subject []byte, f Facts) ([]Asked, error) {
	e, err := newEvaluator(p, o)
	if err != nil {
		return nil, err
	}
	if k > KindAddr || !wellFormed(k, subject) {
		return nil, fmt.Errorf("explain %s: no such subject", k)
	}
	s := takeApart(k, subject)
	s.addFacts(f)
	var out []Asked
	for _, a := range e.order[k] {
		if s.meets(a) {
			out = append(out, Asked{Rule: a.num, Matches: true})
			if !a.marks() {
				break
			}
			continue
		}
		out = append(out, Asked{Rule: a.num, Misses: s.misses(a)})
	}
	return out, nil
}

// Matches reports whether a rule of a policy matches, whatever the others say.
func (r *Rule) Matches(k Kind, subject []byte, f Facts) bool {
	if k > KindAddr || !wellFormed(k, subject) {
		return false
	}
	s := takeApart(k, subject)
	s.addFacts(f)
	return s.meets(asked{rule: r, num: firstRule, origin: OriginUser})
}

// misses lists the matchers of a rule that keep it from matching.
func (s *evalSubject) misses(a asked) []Miss {
	r := a.rule
	if r == nil {
		return []Miss{{"cidr", "addresses of its own"}}
	}
	var out []Miss
	matcher := func(field string, m *Matcher, holds func(*Condition) bool) {
		for i := range m.Conditions {
			if c := &m.Conditions[i]; !holds(c) {
				out = append(out, Miss{field, c.Operator.String() + " " + list(c.Values)})
			}
		}
	}
	own := a.origin != OriginBaseline
	switch {
	case s.kind == KindAddr:
		out = s.addrMisses(r)
	case s.kind == KindHost:
		if r.Host != nil && !s.meetsName(r.Host) {
			matcher("host", r.Host, func(c *Condition) bool { return s.meetsName(&Matcher{Conditions: []Condition{*c}}) })
		}
	case r.Path != nil && s.class == classNoPath:
		out = append(out, Miss{"path", "a file that has a path"})
	case r.Path != nil && !s.meetsPath(r, own):
		if r.rootOnly && s.class != classRoot {
			out = append(out, Miss{"mounted", "a file of the image itself, on no mounted volume"})
		}
		if r.mountOnly && s.class != classVolume {
			out = append(out, Miss{"mounted", "a file on a mounted volume"})
		}
		if i := slices.IndexFunc(r.except, func(p pathPattern) bool { return matchesPath(&p, s.text, false) }); i >= 0 {
			out = append(out, Miss{"except", "none of the names it leaves out as sensitive"})
		}
		matcher("path", r.Path, func(c *Condition) bool { return s.meetsPaths(&Matcher{Conditions: []Condition{*c}}, own) })
	}
	against := r.Decision == DecisionDeny || a.marks()
	if !s.meetsExe(r, against) {
		if s.exe == nil {
			out = append(out, Miss{"exe", "a known executable"})
		} else {
			matcher("exe", r.Exe, func(c *Condition) bool { return s.exe.meetsPaths(&Matcher{Conditions: []Condition{*c}}, true) })
		}
	}
	if !s.meetsCommand(r, against) {
		matcher("command", r.Command, func(c *Condition) bool {
			one := *r
			one.Command = &Matcher{Conditions: []Condition{*c}}
			return s.meetsCommand(&one, against)
		})
	}
	return out
}

// addrMisses is misses for what a rule says about an address.
func (s *evalSubject) addrMisses(r *Rule) (out []Miss) {
	named := false
	if r.hasCIDRs && !s.withinAny(r.CIDRs, &named) {
		out = append(out, Miss{"cidr", list(texts(r.CIDRs))})
	}
	if r.hasPorts && !slices.ContainsFunc(r.Ports, func(p PortRange) bool { return p.Low <= s.port && s.port <= p.High }) {
		out = append(out, Miss{"port", list(texts(r.Ports))})
	}
	if r.hasProtocols && !slices.Contains(r.Protocols, s.proto) {
		out = append(out, Miss{"protocol", list(protocolNames(r.Protocols))})
	}
	if r.Host != nil {
		spelt := allHold(r.Host, func(c *Condition) bool { return s.isAny(c.addrs) })
		if !spelt && (s.name == nil || !s.name.meetsName(r.Host)) {
			for _, c := range r.Host.Conditions {
				out = append(out, Miss{"host", c.Operator.String() + " " + list(c.Values)})
			}
		}
	}
	if len(out) == 0 && r.Decision != DecisionDeny && s.isMetadata() {
		out = append(out, Miss{"cidr", "the metadata address by name, or a range no wider than /30 (/126)"})
	}
	return out
}

package policy

import (
	"cmp"
	"errors"
	"fmt"
)

// Origin says where a rule number comes from.
type Origin uint8

// The origins of rules.
const (
	OriginBuiltin Origin = iota // fixed numbers: default, entrypoint, builtin/...
	OriginFloor
	OriginUser
	OriginBaseline
)

var originNames = [...]string{"builtin", "floor", "policy", "baseline"}

// String returns the name of the origin.
func (o Origin) String() string { return originNames[o] }

// Rule numbers with a fixed meaning.
const (
	ruleDefault    = 0
	ruleEntrypoint = 1
	ruleLoopback   = 6
	ruleMetadata   = 7
	ruleInternal   = 11
	firstRule      = 32
)

// numbered is a rule with its dense number.
type numbered struct {
	*Rule
	num    uint16
	origin Origin
}

// ruleSet is a policy with everything that is evaluated around it.
type ruleSet struct {
	pol                   *Policy
	baseline              string
	observe               bool
	capped                []string // what the floor changed
	floor, user, standard []numbered
	launchers             []pathPattern
}

func newRuleSet(p *Policy, o Options) (*ruleSet, error) {
	if p == nil {
		return nil, errors.New("no policy")
	}
	if o.Mode != "" && o.Mode != "observe" {
		return nil, fmt.Errorf("unknown mode %q", o.Mode)
	}
	own := *p
	own.Mode = cmp.Or(o.Mode, p.Mode)
	own.Baseline = cmp.Or(p.Baseline, o.DefaultBaseline, "image")
	pol, changes := capped(own, o.Floor)
	s := &ruleSet{pol: &pol, baseline: pol.Baseline, observe: pol.Mode == "observe", capped: changes}
	base, err := baselineRules(s.baseline)
	if err != nil {
		return nil, err
	}
	s.launchers = base.launchers
	num := uint16(firstRule)
	number := func(rules []Rule, origin Origin) (out []numbered) {
		for i := range rules {
			out = append(out, numbered{&rules[i], num, origin})
			num++
		}
		return out
	}
	if o.Floor != nil {
		s.floor = number(o.Floor.Rules, OriginFloor)
	}
	s.user = number(p.Rules, OriginUser)
	s.standard = number(base.rules, OriginBaseline)
	return s, nil
}

// step is one line of the ordered list that decides a kind: the first step
// that matches gives the verdict.
type step struct {
	num     uint16
	rule    *Rule // nil: the default, or a built-in rule about addresses
	always  bool  // matches every subject
	allow   bool
	count   bool
	matched bool // a matcher of a user or floor rule
	floor   bool
}

// steps returns the list for a kind, in the order of docs/policy.md.
func (s *ruleSet) steps(k Kind) []step {
	var out []step
	add := func(rules []numbered, a Action, want func(numbered) bool) {
		for _, r := range rules {
			if r.Actions.Has(a) && want(r) {
				out = append(out, s.ruleStep(k, r))
			}
		}
	}
	specific := func(r numbered) bool { return r.HasMatcher() }
	general := func(r numbered) bool { return !r.HasMatcher() }
	deny := func(r numbered) bool { return r.Decision == DecisionDeny }
	specificDeny := func(r numbered) bool { return specific(r) && deny(r) }
	generalDeny := func(r numbered) bool { return general(r) && deny(r) }
	switch k {
	case KindRead, KindWrite, KindExec:
		a := map[Kind]Action{KindRead: ActionRead, KindWrite: ActionWrite, KindExec: ActionExec}[k]
		add(s.floor, a, deny)
		add(s.user, a, specific)
		add(s.standard, a, specific)
		add(s.user, a, general)
	case KindDelete:
		// Where no rule about deleting covers the subject, writing decides.
		add(s.floor, ActionDelete, deny)
		add(s.user, ActionDelete, specific)
		add(s.floor, ActionWrite, deny)
		add(s.user, ActionWrite, specific)
		add(s.standard, ActionDelete, specific)
		add(s.standard, ActionWrite, specific)
		add(s.user, ActionDelete, general)
		add(s.user, ActionWrite, general)
	case KindMap:
		// A rule about exec as a whole does not keep libraries from being mapped.
		add(s.floor, ActionExec, specificDeny)
		add(s.user, ActionExec, specific)
		add(s.standard, ActionMap, specific)
		add(s.floor, ActionExec, generalDeny)
		add(s.user, ActionExec, general)
	case KindHost:
		add(s.floor, ActionNetwork, func(r numbered) bool { return deny(r) && aboutNames(r.Rule) })
		add(s.user, ActionNetwork, func(r numbered) bool { return specific(r) && aboutNames(r.Rule) })
		add(s.user, ActionNetwork, general)
	case KindAddr:
		add(s.floor, ActionNetwork, deny)
		add(s.user, ActionNetwork, specific)
		out = append(out, step{num: ruleLoopback, allow: true}, step{num: ruleMetadata})
		add(s.user, ActionNetwork, general)
	}
	allow := s.pol.DefaultAction == DecisionAllow
	out = append(out, step{num: ruleDefault, always: true, allow: allow, count: allow && s.counted(k)})
	return out
}

func (s *ruleSet) ruleStep(k Kind, r numbered) step {
	allow := r.Decision != DecisionDeny
	own := r.origin == OriginUser || r.origin == OriginFloor
	return step{
		num: r.num, rule: r.Rule, allow: allow,
		always:  !r.HasMatcher() || k == KindHost && r.Host == nil,
		count:   r.Decision == DecisionAllow && s.counted(k),
		matched: own && r.HasMatcher(),
		floor:   r.origin == OriginFloor,
	}
}

// counted says whether allows of the kind are counted: executable mappings as
// reads are.
func (s *ruleSet) counted(k Kind) bool {
	a := [numKinds]Action{ActionRead, ActionWrite, ActionDelete, ActionExec, ActionRead, ActionNetwork, ActionNetwork}[k]
	return s.pol.Audit.CountAllows.Has(a)
}

// aboutNames reports whether a network rule with a matcher has a say in which
// names are resolved. An allow for some port lets the name be resolved; a deny
// for some port or range leaves others, so it does not forbid the name.
func aboutNames(r *Rule) bool {
	switch {
	case r.Decision == DecisionDeny:
		return !r.onPort() && !r.hasCIDRs
	case r.Host == nil:
		return !r.hasCIDRs
	}
	return true
}

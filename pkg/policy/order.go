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
	firstRule      = 64
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
	exes, commands, names matcherList
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
	if err := pol.checkRelaxed(o.AllowedRelaxations); err != nil {
		return nil, err
	}
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
	s.listMatchers()
	return s, nil
}

// counted says whether allows of the kind are counted: executable mappings as
// reads are.
func (s *ruleSet) counted(k Kind) bool {
	a := [...]Action{ActionRead, ActionWrite, ActionDelete, ActionExec, ActionRead, ActionNetwork, ActionNetwork}[k]
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

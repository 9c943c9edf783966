package policy

// asked is one entry of the order in which rules are asked.
type asked struct {
	num    uint16
	rule   *Rule // nil: a built-in rule about addresses
	origin Origin
}

// marks reports whether the rule has what it matches recorded one by one
// instead of deciding.
func (a asked) marks() bool { return a.origin == OriginFloor && a.rule.Decision == DecisionAudit }

// verdict is the verdict of a rule that has matched.
func (a asked) verdict() Verdict {
	if a.rule == nil {
		return Verdict{Rule: a.num, Allow: a.num == ruleLoopback}
	}
	return Verdict{
		Rule:    a.num,
		Allow:   a.rule.Decision != DecisionDeny,
		Count:   a.rule.Decision == DecisionAllow,
		Matched: a.origin != OriginBaseline && a.rule.HasMatcher(),
		Floor:   a.origin == OriginFloor,
	}
}

// askedIn returns the rules of a kind in the order of docs/policy.md: "Which
// rule decides".
func askedIn(k Kind, rs *ruleSet) []asked {
	var out []asked
	add := func(rules []numbered, want func(*Rule) bool) {
		for _, r := range rules {
			if (r.origin == OriginFloor && r.Decision == DecisionAllow) || !want(r.Rule) {
				continue
			}
			out = append(out, asked{r.num, r.Rule, r.origin})
		}
	}
	with := func(a Action) func(*Rule) bool {
		return func(r *Rule) bool { return r.Actions.Has(a) && r.HasMatcher() }
	}
	without := func(a Action) func(*Rule) bool {
		return func(r *Rule) bool { return r.Actions.Has(a) && !r.HasMatcher() }
	}
	any := func(a Action) func(*Rule) bool {
		return func(r *Rule) bool { return r.Actions.Has(a) }
	}
	switch k {
	case KindRead, KindWrite, KindExec:
		a := countedAs(k)
		add(rs.floor, any(a))
		add(rs.user, with(a))
		add(rs.standard, with(a))
		add(rs.user, without(a))
	case KindDelete:
		add(rs.floor, any(ActionDelete))
		add(rs.user, with(ActionDelete))
		add(rs.floor, any(ActionWrite))
		add(rs.user, with(ActionWrite))
		add(rs.standard, with(ActionDelete))
		add(rs.standard, with(ActionWrite))
		add(rs.user, without(ActionDelete))
		add(rs.user, without(ActionWrite))
	case KindMap:
		onFile := func(r *Rule) bool { return r.Actions.Has(ActionExec) && r.Command == nil && r.Path != nil }
		asWhole := func(r *Rule) bool { return r.Actions.Has(ActionExec) && r.Command == nil && r.Path == nil }
		add(rs.floor, onFile)
		add(rs.user, onFile)
		add(rs.standard, with(ActionMap))
		add(rs.floor, asWhole)
		add(rs.user, asWhole)
	case KindHost:
		add(rs.floor, decidesNames)
		add(rs.user, func(r *Rule) bool { return decidesNames(r) && r.HasMatcher() })
		add(rs.user, without(ActionNetwork))
	case KindAddr:
		add(rs.floor, any(ActionNetwork))
		add(rs.user, with(ActionNetwork))
		out = append(out, asked{num: ruleLoopback}, asked{num: ruleMetadata})
		add(rs.user, without(ActionNetwork))
	}
	return out
}

// decidesNames reports whether a network rule has a say in which names are
// resolved: an allow does if it names hosts or does not name ranges, a deny if
// it names neither ports nor ranges.
func decidesNames(r *Rule) bool {
	switch {
	case !r.Actions.Has(ActionNetwork):
		return false
	case r.Decision == DecisionDeny:
		return !r.hasPorts && !r.hasProtocols && !r.hasCIDRs
	}
	return r.Host != nil || !r.hasCIDRs
}

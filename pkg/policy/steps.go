package policy

// step is one line of the ordered list that decides a kind: the first step
// that matches gives the verdict.
type step struct {
	num     uint16
	rule    *Rule // nil: the default, or a built-in rule about addresses
	always  bool  // matches every subject, whatever else
	any     bool  // matches every subject, if its conditions hold
	allow   bool
	count   bool
	matched bool // a matcher of a user or floor rule
	floor   bool
	mark    bool // a floor rule that has its subjects recorded one by one, and does not decide
	byName  bool // KindAddr: the rule as it holds for a bound name

	// Matchers that must hold besides: numbers in the lists of the rule set, 0 none.
	exe, command, name uint16

	// KindCommand: the first matcher that is only asked about behind a rule that
	// this one decides alone; 0: all are.
	settles int32
}

// conditional reports whether more than the subject decides about the step.
func (s *step) conditional() bool { return s.exe|s.command|s.name != 0 }

// decides reports whether a step whose subject matches ends the search.
func (s *step) decides() bool { return !s.mark && !s.conditional() }

// bound is the first order that does not matter once the step at order has
// matched whatever follows; last stands for none.
func (s *step) bound(order, last int32) int32 {
	switch {
	case s.decides():
		return order
	case s.settles > 0:
		return min(s.settles, last)
	}
	return last
}

// steps returns the list for a kind, in the order of docs/policy.md.
func (s *ruleSet) steps(k Kind) []step {
	var out []step
	add := func(rules []numbered, a Action, want func(numbered) bool) {
		for _, r := range rules {
			if r.Actions.Has(a) && want(r) {
				out = append(out, s.ruleSteps(k, r)...)
			}
		}
	}
	specific := func(r numbered) bool { return r.HasMatcher() }
	general := func(r numbered) bool { return !r.HasMatcher() }
	floor := func(r numbered) bool { return !r.idle() } // denies decide, audits mark
	switch k {
	case KindRead, KindWrite, KindExec:
		a := map[Kind]Action{KindRead: ActionRead, KindWrite: ActionWrite, KindExec: ActionExec}[k]
		add(s.floor, a, floor)
		add(s.user, a, specific)
		add(s.standard, a, specific)
		add(s.user, a, general)
	case KindDelete:
		// Where no rule about deleting covers the subject, writing decides.
		add(s.floor, ActionDelete, floor)
		add(s.user, ActionDelete, specific)
		add(s.floor, ActionWrite, floor)
		add(s.user, ActionWrite, specific)
		add(s.standard, ActionDelete, specific)
		add(s.standard, ActionWrite, specific)
		add(s.user, ActionDelete, general)
		add(s.user, ActionWrite, general)
	case KindMap:
		// A rule about exec as a whole does not keep libraries from being mapped,
		// and one about a command says nothing about mappings.
		onPath := func(r numbered) bool { return r.Path != nil && r.Command == nil }
		whole := func(r numbered) bool { return r.Path == nil && r.Command == nil }
		add(s.floor, ActionExec, func(r numbered) bool { return floor(r) && onPath(r) })
		add(s.user, ActionExec, onPath)
		add(s.standard, ActionMap, specific)
		add(s.floor, ActionExec, func(r numbered) bool { return floor(r) && whole(r) })
		add(s.user, ActionExec, whole)
	case KindHost:
		add(s.floor, ActionNetwork, func(r numbered) bool { return floor(r) && aboutNames(r.Rule) })
		add(s.user, ActionNetwork, func(r numbered) bool { return specific(r) && aboutNames(r.Rule) })
		add(s.user, ActionNetwork, general)
	case KindAddr:
		add(s.floor, ActionNetwork, floor)
		add(s.user, ActionNetwork, specific)
		out = append(out, step{num: ruleLoopback, allow: true}, step{num: ruleMetadata})
		add(s.user, ActionNetwork, general)
	default:
		return s.matcherSteps(k)
	}
	allow := s.pol.DefaultAction == DecisionAllow
	return append(out, step{num: ruleDefault, always: true, allow: allow, count: allow && s.counted(k)})
}

// ruleSteps returns what a rule contributes to the list of a kind. A rule by
// host contributes two steps for addresses: one for the addresses it spells
// out, one for those that are bound to its names.
func (s *ruleSet) ruleSteps(k Kind, r numbered) []step {
	own := r.origin == OriginUser || r.origin == OriginFloor
	st := step{
		num: r.num, rule: r.Rule, allow: r.Decision != DecisionDeny,
		count:   r.Decision == DecisionAllow && s.counted(k),
		matched: own && r.HasMatcher(),
		floor:   r.origin == OriginFloor,
		mark:    r.marks(),
		exe:     s.exes.number(r.Exe, false),
	}
	switch {
	case k.isPath():
		st.any = r.Path == nil
		if k == KindExec {
			st.command = s.commands.number(r.Command, r.inStandardPlaces())
		}
	case k == KindHost:
		st.any = r.Host == nil
	default:
		st.any = !r.HasMatcher()
	}
	st.always = st.any && st.decides()
	if k != KindAddr || !namesHosts(r.Host) {
		return []step{st}
	}
	named := st
	named.byName, named.name = true, s.names.number(r.Host, false)
	if !spellsAddresses(r.Host) {
		return []step{named}
	}
	return []step{st, named}
}

// namesHosts reports whether a name can match a host matcher, and
// spellsAddresses whether an address can.
func namesHosts(m *Matcher) bool {
	return m != nil && !neverHolds(m, func(c *Condition) int { return len(c.hosts) })
}

func spellsAddresses(m *Matcher) bool {
	return m != nil && !neverHolds(m, func(c *Condition) int { return len(c.addrs) })
}

// inStandardPlaces reports whether the rule, naming no path, lets a command run
// only from the directories in standardPlaces: a base name alone says nothing
// about a file that the process has put somewhere itself.
func (r *Rule) inStandardPlaces() bool {
	return r.Decision != DecisionDeny && r.Path == nil && r.Command != nil
}

var standardPlaces = []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"}

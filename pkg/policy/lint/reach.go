package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// kindsOf lists the automata in which a rule about an action has its say. Where
// two are named, a rule that decides in one of them is alive.
var kindsOf = map[policy.Action][]policy.Kind{
	policy.ActionRead:    {policy.KindRead},
	policy.ActionWrite:   {policy.KindWrite},
	policy.ActionDelete:  {policy.KindDelete},
	policy.ActionExec:    {policy.KindExec, policy.KindMap},
	policy.ActionNetwork: {policy.KindHost, policy.KindAddr},
}

// unreachable finds rules that decide nothing: no state of the policy's
// automata carries their number.
func (l *linter) unreachable() {
	deciding := map[policy.Kind]map[uint16]bool{}
	for _, kinds := range kindsOf {
		for _, k := range kinds {
			deciding[k] = map[uint16]bool{}
			product.Each(k, []*policy.Tables{l.tables}, func(o product.Outcome) {
				if o.Known { // what could not be told always meets the denies
					deciding[k][o.Verdicts[0].Rule] = true
				}
			})
		}
	}
	number := slices.IndexFunc(l.tables.Rules, func(r policy.RuleInfo) bool { return r.Origin == policy.OriginUser })
	for i := range l.policy.Rules {
		r := &l.policy.Rules[i]
		var dead []policy.Action
		for a := range policy.ActionNetwork + 1 {
			decides := func(k policy.Kind) bool { return deciding[k][uint16(number+i)] }
			if r.Actions.Has(a) && !slices.ContainsFunc(kindsOf[a], decides) {
				dead = append(dead, a)
			}
		}
		if len(dead) > 0 {
			l.dead(r, dead)
		}
		l.behindDefault(r)
		if n := uint16(number + i); deciding[policy.KindHost][n] && !deciding[policy.KindAddr][n] {
			l.neverConnects(r)
		}
	}
}

// neverConnects reports a rule whose names are resolved, but whose addresses
// other rules decide about, all of them.
func (l *linter) neverConnects(r *policy.Rule) {
	if !allows(r) || r.Host == nil {
		return
	}
	var by []shadow
	for _, s := range l.shadows(r, []policy.Action{policy.ActionNetwork}) {
		if s.example.Kind == policy.KindAddr && !s.allow {
			by = append(by, s)
		}
	}
	if len(by) > 0 {
		l.about(r, Warning, "never-connects", fmt.Sprintf("its names are resolved, but no connection is decided by it: %s before it", decides(by)),
			"move it above "+by[0].info.Name)
	}
}

// shadow is a rule that decides in the place of another.
type shadow struct {
	info    policy.RuleInfo
	allow   bool
	example product.Action
}

// shadows finds who decides about what a rule matches, by walking the
// automaton of the rule alone together with the policy's.
func (l *linter) shadows(r *policy.Rule, actions []policy.Action) []shadow {
	alone := l.alone(*r)
	if alone == nil {
		return nil
	}
	var out []shadow
	for _, a := range actions {
		for _, k := range kindsOf[a] {
			product.EachMatched(k, []*policy.Tables{alone, l.tables}, func(o product.Outcome) {
				v := o.Verdicts[1]
				info := l.tables.Rules[v.Rule]
				if o.Known && !slices.ContainsFunc(out, func(s shadow) bool { return s.info.Name == info.Name }) {
					out = append(out, shadow{info, v.Allow, o.Action})
				}
			})
		}
	}
	return out
}

// alone compiles one rule as a policy of its own.
func (l *linter) alone(r policy.Rule) *policy.Tables {
	q := *l.policy
	q.Rules, q.Baseline, q.DefaultAction, q.Builtin = []policy.Rule{r}, "none", policy.DecisionDeny, nil
	t, err := policy.Compile(&q, policy.Options{})
	if err != nil {
		return nil // what fits in a policy fits alone
	}
	return t
}

func (l *linter) dead(r *policy.Rule, actions []policy.Action) {
	what := r.Decision.String() + " never matches"
	if some := len(actions); some < countActions(r) {
		what += " for " + joined(actions)
	}
	deny := !allows(r)
	if first := l.earlierDefault(r); first != nil {
		l.about(r, Error, "after-default", fmt.Sprintf("%s: %s on line %d, without a matcher, is already the default of the action", what, first.Name(), first.Line),
			"give it a matcher such as path, or drop it")
		return
	}
	if twin := l.twin(r); twin != nil {
		l.about(r, Warning, "duplicate", fmt.Sprintf("%s: it repeats %s on line %d", what, twin.Name(), twin.Line), "drop one of the two")
		return
	}
	by := l.shadows(r, actions)
	if len(by) == 0 {
		severity := Warning
		if deny {
			severity = Error
		}
		l.about(r, severity, "matches-nothing", what+": its conditions exclude each other, or a list is empty",
			"all operators in one matcher and all fields of a rule must hold at once; write two rules for either-or")
		return
	}
	against := slices.IndexFunc(by, func(s shadow) bool { return s.allow })
	msg := fmt.Sprintf("%s: %s before it", what, decides(by))
	switch {
	case deny && against >= 0:
		l.about(r, Error, "deny-shadowed", fmt.Sprintf("%s; %s %s is allowed by %s", msg, by[against].example.Verb(), by[against].example, by[against].info.Name),
			"move it above "+by[against].info.Name+": the first rule that matches decides")
	default:
		l.about(r, Warning, "shadowed", msg, "drop it, or move it above "+by[0].info.Name+" if it is to decide")
	}
}

// decides names rules: "data (line 7) decides", "a and b decide".
func decides(by []shadow) string {
	const most = 3
	var names []string
	for i, s := range by {
		if i == most {
			names = append(names, fmt.Sprintf("%d more", len(by)-most))
			break
		}
		name := s.info.Name
		if s.info.Origin == policy.OriginUser {
			name = fmt.Sprintf("%s (line %d)", name, s.info.Line)
		}
		names = append(names, name)
	}
	if len(names) == 1 {
		return names[0] + " decides"
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " decide"
}

// earlierDefault returns the rule without a matcher that makes r, another one
// without, unreachable.
func (l *linter) earlierDefault(r *policy.Rule) *policy.Rule {
	if r.HasMatcher() {
		return nil
	}
	for i := range l.policy.Rules[:r.Index] {
		if e := &l.policy.Rules[i]; !e.HasMatcher() && e.Actions&r.Actions != 0 {
			return e
		}
	}
	return nil
}

// behindDefault reports a rule with a matcher that stands after its action's
// default: it is evaluated before it, which the order of the text hides.
func (l *linter) behindDefault(r *policy.Rule) {
	if !r.HasMatcher() {
		return
	}
	for i := range l.policy.Rules[:r.Index] {
		e := &l.policy.Rules[i]
		if !e.HasMatcher() && e.Actions&r.Actions == r.Actions {
			l.about(r, Warning, "after-default", fmt.Sprintf("it stands after %s (line %d), the default of its action, but is evaluated before it", e.Name(), e.Line),
				"move it up: rules with a matcher come first whatever the order of the text")
			return
		}
	}
}

// twin returns an earlier rule that says the same.
func (l *linter) twin(r *policy.Rule) *policy.Rule {
	for i := range l.policy.Rules[:r.Index] {
		if e := &l.policy.Rules[i]; e.Actions == r.Actions && e.Decision == r.Decision && sameMatchers(e, r) {
			return e
		}
	}
	return nil
}

func sameMatchers(a, b *policy.Rule) bool {
	return sameMatcher(a.Path, b.Path) && sameMatcher(a.Host, b.Host) && sameMatcher(a.Exe, b.Exe) && sameMatcher(a.Command, b.Command) &&
		slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Protocols, b.Protocols) && slices.Equal(a.CIDRs, b.CIDRs)
}

func sameMatcher(a, b *policy.Matcher) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.EqualFunc(a.Conditions, b.Conditions, func(x, y policy.Condition) bool {
		return x.Operator == y.Operator && slices.Equal(x.Values, y.Values)
	})
}

func countActions(r *policy.Rule) (n int) {
	for a := range policy.ActionNetwork + 1 {
		if r.Actions.Has(a) {
			n++
		}
	}
	return n
}

func joined(actions []policy.Action) string {
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = a.String()
	}
	return strings.Join(names, ", ")
}

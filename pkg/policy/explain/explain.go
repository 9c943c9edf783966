package explain

import (
	"fmt"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// Explanation is a verdict and how it came about.
type Explanation struct {
	Action  product.Action
	Verdict policy.Verdict
	Rule    policy.RuleInfo // that decides
	Passed  []Passed        // the rules before it, in the order in which they were asked
	Fix     *Fix            // nil where no rule of the policy would change the verdict
	NoFix   string          // then: why
	Notes   []string        // of the network: what else matters to the verdict
}

// Passed is a rule that was asked and did not match.
type Passed struct {
	Rule   policy.RuleInfo
	Misses []policy.Miss
	Near   string // how little it takes to match, "" if it is far from it
}

// Question is a policy, compiled, and what it was compiled with.
type Question struct {
	Policy  *policy.Policy
	Tables  *policy.Tables
	Options policy.Options
}

// Explain answers about one action.
func (q Question) Explain(a product.Action) (Explanation, error) {
	e := Explanation{Action: a, Verdict: product.Ask(q.Tables, a)}
	e.Rule = q.Tables.Rules[e.Verdict.Rule]
	asked, err := policy.Trace(q.Policy, q.Options, a.Kind, a.Subject, a.Facts)
	if err != nil {
		return e, fmt.Errorf("explain %s: %w", a, err)
	}
	for _, r := range asked {
		if r.Matches {
			continue
		}
		p := Passed{Rule: q.Tables.Rules[r.Rule], Misses: r.Misses}
		if own := q.own(r.Rule); own != nil {
			p.Near = near(own, a)
		}
		e.Passed = append(e.Passed, p)
	}
	e.Fix, e.NoFix, err = q.fix(a, e.Verdict)
	return e, err
}

// own returns the rule of the policy that has a number, or nil.
func (q Question) own(number uint16) *policy.Rule {
	if q.Tables.Rules[number].Origin != policy.OriginUser {
		return nil
	}
	return &q.Policy.Rules[int(number)-q.first()]
}

// first is the number of the policy's first rule.
func (q Question) first() int {
	for i, r := range q.Tables.Rules {
		if r.Origin == policy.OriginUser {
			return i
		}
	}
	return len(q.Tables.Rules)
}

package lint

import (
	"cmp"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Severity says how much a finding matters.
type Severity uint8

// The severities. An Error is a rule that protects nothing or grants nothing,
// though somebody wrote it; Info is worth knowing and needs no change.
const (
	Error Severity = iota
	Warning
	Info
)

var severityNames = [...]string{"error", "warning", "info"}

// String returns the name of the severity.
func (s Severity) String() string { return severityNames[s] }

// Finding is one thing that lint has to say.
type Finding struct {
	Code      string // stable, such as "shadowed"
	Severity  Severity
	Rule      string // name of the rule, "" for the policy as a whole
	Line, Col int    // in the file given to Parse
	Message   string
	Do        string // what to do about it
}

// linter collects the findings about one policy.
type linter struct {
	policy *policy.Policy
	tables *policy.Tables
	found  []Finding
}

// Check returns the findings about a policy and its tables, in the order of
// the text.
func Check(p *policy.Policy, t *policy.Tables) []Finding {
	l := &linter{policy: p, tables: t}
	l.settings()
	l.unreachable()
	l.wide()
	l.secrets()
	l.files()
	l.hosts()
	l.commands()
	return Sorted(l.found)
}

// Sorted puts findings in the order of the text.
func Sorted(found []Finding) []Finding {
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Severity, b.Severity))
	})
	return found
}

// whole adds a finding about the policy as a whole.
func (l *linter) whole(s Severity, code, msg, do string) {
	l.found = append(l.found, Finding{Code: code, Severity: s, Line: 1, Col: 1, Message: msg, Do: do})
}

// about adds a finding about a rule.
func (l *linter) about(r *policy.Rule, s Severity, code, msg, do string) {
	l.at(r, policy.Place{Line: r.Line, Col: r.Col}, s, code, msg, do)
}

// at adds a finding about a value of a rule.
func (l *linter) at(r *policy.Rule, at policy.Place, s Severity, code, msg, do string) {
	l.found = append(l.found, Finding{code, s, r.Name(), at.Line, at.Col, msg, do})
}

// own returns the rule of the policy that has a number, or nil.
func (l *linter) own(number uint16) *policy.Rule {
	if l.tables.Rules[number].Origin != policy.OriginUser {
		return nil
	}
	first := slices.IndexFunc(l.tables.Rules, func(r policy.RuleInfo) bool { return r.Origin == policy.OriginUser })
	return &l.policy.Rules[int(number)-first]
}

func allows(r *policy.Rule) bool { return r.Decision != policy.DecisionDeny }

// Package casefile reads test cases of a policy and runs them against its
// tables: the ones that the kernel gets.
package casefile

import (
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// File is a file of test cases.
type File struct {
	Policy   string // the policy's file, as written
	Floor    string // the floor's, may be empty
	Baseline string // of a policy that names none: "image" or "runtime"
	Cases    []Case
}

// Case is one question and the answer that is expected.
type Case struct {
	Name      string // as written, or what is asked in words
	Action    policy.Action
	Query     policy.Query
	Expect    policy.Decision // allow is met by audit too
	Rule      string          // that decides; empty: any
	Line, Col int
}

// Result is the answer to a case.
type Result struct {
	Case
	Got    policy.Decision
	By     string // the rule that decided
	Reason string // of that rule
	Passed bool
}

// Run asks the tables every case.
func (f *File) Run(t *policy.Tables) []Result {
	out := make([]Result, len(f.Cases))
	for i, c := range f.Cases {
		v := t.Ask(c.Query)
		rule := t.Rules[v.Rule]
		r := Result{Case: c, Got: policy.DecisionDeny, By: rule.Name, Reason: rule.Reason}
		switch {
		case v.Allow && rule.Decision == policy.DecisionAudit:
			r.Got = policy.DecisionAudit
		case v.Allow:
			r.Got = policy.DecisionAllow
		}
		met := r.Got == c.Expect || c.Expect == policy.DecisionAllow && v.Allow
		r.Passed = met && (c.Rule == "" || c.Rule == r.By)
		out[i] = r
	}
	return out
}

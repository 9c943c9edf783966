package main

import (
	"fmt"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/explain"
)

// explainResult is the answer to explain.
type explainResult struct {
	File       string           `json:"file"`
	Observe    bool             `json:"observe"`
	Entrypoint string           `json:"entrypoint"`
	Verdicts   []explainVerdict `json:"verdicts"`

	all bool
}

type explainVerdict struct {
	Action  string          `json:"action"`
	Subject string          `json:"subject"`
	Allow   bool            `json:"allow"`
	Count   bool            `json:"count,omitempty"`
	Rule    explainRule     `json:"rule"`
	Passed  []explainPassed `json:"passed"`
	Change  string          `json:"change,omitempty"`        // the smallest rule that changes the verdict
	Before  string          `json:"change_before,omitempty"` // the rule that it must stand before
	Why     string          `json:"no_change,omitempty"`
	Notes   []string        `json:"notes,omitempty"`

	info policy.RuleInfo
}

type explainRule struct {
	Name   string `json:"name"`
	Origin string `json:"origin"`
	Line   int    `json:"line,omitempty"`
	Text   string `json:"text,omitempty"`
	Reason string `json:"reason,omitempty"`
}

type explainPassed struct {
	Rule   explainRule `json:"rule"`
	Misses []string    `json:"misses"`
	Near   string      `json:"near,omitempty"`
}

func ruleDocument(r policy.RuleInfo) explainRule {
	return explainRule{r.Name, r.Origin.String(), r.Line, r.Text, r.Reason}
}

func verdictDocument(e explain.Explanation) explainVerdict {
	v := explainVerdict{
		Action: e.Action.Verb(), Subject: e.Action.String(), Allow: e.Verdict.Allow, Count: e.Verdict.Count,
		Rule: ruleDocument(e.Rule), Passed: []explainPassed{}, Why: e.NoFix, Notes: e.Notes, info: e.Rule,
	}
	for _, p := range e.Passed {
		var misses []string
		for _, m := range p.Misses {
			misses = append(misses, m.Field+" "+m.Wants)
		}
		v.Passed = append(v.Passed, explainPassed{ruleDocument(p.Rule), misses, p.Near})
	}
	if e.Fix != nil {
		v.Change, v.Before = e.Fix.YAML, e.Fix.Before
	}
	return v
}

func (r *explainResult) print(w *textWriter) {
	for i := range r.Verdicts {
		if i > 0 {
			w.WriteByte('\n')
		}
		r.verdict(w, &r.Verdicts[i])
	}
}

func (r *explainResult) verdict(w *textWriter, v *explainVerdict) {
	word := w.in(red, "denied")
	if v.Allow {
		word = w.in(green, "allowed")
	}
	fmt.Fprintf(w, "%s %s: %s by %s", v.Action, sentence(v.Subject), word, v.Rule.Name)
	if at := rulePlace(r.File, v.info); at != "" {
		fmt.Fprintf(w, " (%s)", at)
	}
	if v.Rule.Text != "" && v.info.Origin != policy.OriginBaseline {
		fmt.Fprintf(w, ": %s", sentence(v.Rule.Text))
	}
	w.WriteByte('\n')
	if v.Rule.Reason != "" {
		fmt.Fprintf(w, "  reason: %s\n", sentence(v.Rule.Reason))
	}
	if r.Observe && !v.Allow && v.info.Origin != policy.OriginFloor {
		fmt.Fprintln(w, "  mode: observe: it is recorded as denied, and happens")
	}
	for _, n := range v.Notes {
		fmt.Fprintf(w, "  %s\n", sentence(n))
	}
	if strings.HasPrefix(v.Action, "process.exec") && r.Entrypoint != "deny" {
		fmt.Fprintf(w, "  if it is the container's own start, entrypoint (%s) allows it before any rule is asked\n", r.Entrypoint)
	}
	r.passed(w, v)
	if v.Change == "" {
		fmt.Fprintf(w, "  %s\n", sentence(v.Why))
		return
	}
	verb, where := "allow", "anywhere in rules"
	if v.Allow {
		verb = "deny"
	}
	if v.Before != "" {
		where = "before " + v.Before
	}
	fmt.Fprintf(w, "  the smallest rule that would %s it, %s:\n", verb, where)
	for line := range strings.Lines(v.Change) {
		fmt.Fprintf(w, "    %s", line)
	}
}

// passed lists the rules that were asked before; those of the baseline only if
// all are wanted.
func (r *explainResult) passed(w *textWriter, v *explainVerdict) {
	hidden, head := 0, "  asked before, and do not match:\n"
	for _, p := range v.Passed {
		if p.Rule.Origin == policy.OriginBaseline.String() && !r.all {
			hidden++
			continue
		}
		w.WriteString(head)
		head = ""
		at := ""
		if p.Rule.Origin == policy.OriginUser.String() {
			at = fmt.Sprintf(" (%s:%d)", r.File, p.Rule.Line)
		}
		fmt.Fprintf(w, "    %s%s: wants %s\n", p.Rule.Name, at, sentence(strings.Join(p.Misses, ", and ")))
		if p.Near != "" {
			fmt.Fprintf(w, "      %s\n", sentence(p.Near))
		}
	}
	if hidden > 0 {
		fmt.Fprintf(w, "  nor do %d rule(s) of the baseline (--all lists them)\n", hidden)
	}
}

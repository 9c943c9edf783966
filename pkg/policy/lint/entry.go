package lint

import (
	"fmt"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/image"
)

// Step is one program of the entry point's chain and what lets it run.
type Step struct {
	image.Start
	Free    bool           // the implicit rule entrypoint allows it
	Verdict policy.Verdict // of the rules, which decide where it is not free
	Rule    string         // that decides
}

// Entry is how the container starts.
type Entry struct {
	Steps []Step
	Note  string // why the rest of the chain cannot be told, if it cannot
}

// EntryPoint follows the entry point and says of each program whether the
// policy lets it run.
func EntryPoint(p *policy.Policy, t *policy.Tables, m *image.Image, c image.Command) Entry {
	match := func(path string) policy.Verdict { return t.Match(policy.KindExec, policy.PathSubject(false, path)) }
	starts, note := m.Chain(c, func(path string) bool { return match(path).Launcher })
	e := Entry{Note: note}
	execs := 0
	for _, s := range starts {
		if !s.SameExec {
			execs++
		}
		v := match(s.Path)
		free := p.Entrypoint == "chain" || p.Entrypoint == "single" && execs == 1
		name := t.Rules[v.Rule].Name
		if free {
			name = "entrypoint"
		}
		e.Steps = append(e.Steps, Step{s, free, v, name})
	}
	return e
}

// Needed returns the paths that the policy would have to allow for the
// container to start.
func (e *Entry) Needed() []string {
	var out []string
	for _, s := range e.Steps {
		if !s.Free && !s.Verdict.Allow {
			out = append(out, s.Path)
		}
	}
	return out
}

// Findings reports the programs of the entry point that may not run.
func (e *Entry) Findings(p *policy.Policy) []Finding {
	var out []Finding
	for _, s := range e.Steps {
		if s.Free || s.Verdict.Allow {
			continue
		}
		out = append(out, Finding{
			Code: "entry-denied", Severity: Error, Line: 1, Col: 1,
			Message: fmt.Sprintf("the entry point starts %s, which %s denies (entrypoint: %s)", s.Path, s.Rule, p.Entrypoint),
			Do:      fmt.Sprintf("add {action: process.exec, path: %s, decision: allow}", s.Path),
		})
	}
	return out
}

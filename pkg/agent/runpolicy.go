package agent

import (
	"fmt"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// RunPolicy is a run's policy as its tables are made from it: the same source
// and options give the same tables.
type RunPolicy struct {
	Name     string
	Source   []byte
	Baseline string // of a policy that names none
	Mode     string // "observe" or "enforce", whatever the policy says itself; empty: as it says
	// Relaxations are the built-in denials that the policy may relax, as in
	// policy.Options.
	Relaxations []string
}

// Compile makes the tables, and refuses what the kernel cannot enforce.
func (p RunPolicy) Compile() (*policy.Tables, error) {
	pol, err := policy.Parse(p.Name, p.Source)
	if err != nil {
		return nil, err
	}
	o := policy.Options{DefaultBaseline: p.Baseline, AllowedRelaxations: p.Relaxations}
	switch p.Mode {
	case "":
	case "observe":
		o.Mode = p.Mode
	case "enforce":
		pol.Mode = p.Mode
	default:
		return nil, fmt.Errorf("mode %s: it is observe or enforce", p.Mode)
	}
	t, err := policy.Compile(pol, o)
	if err != nil {
		return nil, err
	}
	if err := loader.Enforceable(t); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return t, nil
}

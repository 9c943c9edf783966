package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// loaded is a policy file, parsed and compiled.
type loaded struct {
	policy *policy.Policy
	tables *policy.Tables
}

// compilePolicy reads a file, or standard input for "-", and compiles it.
func compilePolicy(c *cobra.Command, file string, o policy.Options) (loaded, error) {
	p, err := readPolicy(file, c.InOrStdin())
	if err != nil {
		return loaded{}, err
	}
	t, err := policy.Compile(p, o)
	if err != nil {
		return loaded{}, fmt.Errorf("%s: %w", file, err)
	}
	return loaded{p, t}, nil
}

// rulePlace says where a rule of the user is.
func rulePlace(file string, r policy.RuleInfo) string {
	if r.Origin == policy.OriginUser {
		return fmt.Sprintf("%s:%d", file, r.Line)
	}
	return ""
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// noRelaxation is what --allow-relaxation says for an empty list.
const noRelaxation = "none"

// relaxationFlag adds the operator's limit of what policies relax, which the
// returned function gives. Without the flag it is the default of a node.
func relaxationFlag(c *cobra.Command) func() ([]string, error) {
	var names []string
	c.Flags().StringSliceVar(&names, "allow-relaxation", policy.DefaultRelaxations(),
		"built-in denial that the policy may relax, in place of the default ones; may be repeated; none: no one")
	return func() ([]string, error) {
		if len(names) == 1 && names[0] == noRelaxation {
			return []string{}, nil
		}
		if err := policy.CheckRelaxations(names); err != nil {
			return nil, fmt.Errorf("--allow-relaxation: %w", err)
		}
		return names, nil
	}
}

package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// baselineResult is a baseline, with its text where it was asked for.
type baselineResult struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Purpose string `json:"purpose"`
	Rules   int    `json:"rules"`
	Policy  string `json:"policy,omitempty"`
}

func policyBaselineCommand() *cobra.Command {
	var output *outputFormat
	c := &cobra.Command{
		Use:       "baseline [NAME]",
		Short:     "List the baselines, or print the rules of one",
		Long:      "Lists the rules that can come after a policy's own, or prints those of one baseline.",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{"image", "runtime", "none"},
		RunE: func(c *cobra.Command, args []string) error {
			all, err := baselines()
			if err != nil {
				return &exitError{exitInternal, err}
			}
			if len(args) == 0 {
				return output.print(c.OutOrStdout(), all, func(w *textWriter) {
					rows := [][]string{{"NAME", "VERSION", "RULES", "PURPOSE"}}
					for _, b := range all {
						rows = append(rows, []string{b.Name, b.Version, strconv.Itoa(b.Rules), b.Purpose})
					}
					w.table(rows, nil)
				})
			}
			for _, b := range all {
				if b.Name == args[0] {
					src, _ := policy.BaselineSource(b.Name)
					b.Policy = string(src)
					return output.print(c.OutOrStdout(), b, func(w *textWriter) { w.WriteString(b.Policy) })
				}
			}
			return fmt.Errorf("no baseline %q: there are image, runtime and none", args[0])
		},
	}
	output = outputFlag(c)
	return c
}

func baselines() ([]baselineResult, error) {
	all, err := policy.Baselines()
	out := make([]baselineResult, len(all))
	for i, b := range all {
		out[i] = baselineResult{Name: b.Name, Version: b.Version, Purpose: b.Purpose, Rules: b.Rules}
	}
	return out, err
}

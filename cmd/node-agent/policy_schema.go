package main

import (
	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy/schema"
)

func policySchemaCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the language, for editors",
		Long: `Prints a JSON Schema (draft 2020-12) of policies. Editors complete and check
with it while one types; "policy check" says more.`,
		Example: `  node-agent policy schema > policy.schema.json
  # and as the first line of a policy:
  # yaml-language-server: $schema=policy.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			src, err := schema.Generate()
			if err == nil {
				_, err = c.OutOrStdout().Write(src)
			}
			if err != nil {
				return &exitError{exitInternal, err}
			}
			return nil
		},
	}
	outputFlag(c) // it is JSON either way
	return c
}

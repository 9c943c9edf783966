package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

func doctorCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Find out whether this machine can enforce, by trying",
		Long: `Checks what enforcement needs and tries it: a program is loaded, attached and
seen to deny in a throwaway cgroup, then the whole set is loaded.
Exit codes: 0 everything is ok; 3 this machine cannot enforce.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			checks := agent.Doctor(c.Context())
			switch output {
			case "json":
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				if err := e.Encode(checks); err != nil {
					return &exitError{exitInternal, err}
				}
			case "text":
				for _, ck := range checks {
					word := "ok  "
					if !ck.OK {
						word = "FAIL"
					}
					fmt.Fprintf(c.OutOrStdout(), "%s  %-12s %s\n", word, ck.Name, ck.Detail)
					if ck.Do != "" {
						fmt.Fprintf(c.OutOrStdout(), "      %-12s what to do: %s\n", "", ck.Do)
					}
				}
			default:
				return fmt.Errorf("-o %s: it is text or json", output)
			}
			if !agent.Healthy(checks) {
				return &exitError{code: exitUnsupported}
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

func doctorCommand() *cobra.Command {
	var output *outputFormat
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Find out whether this machine can enforce, by trying",
		Long: `Checks what enforcement needs and tries it: a program is loaded, attached and
seen to deny this command itself an action, then the whole set is loaded.
Nothing is left of it.
Exit codes: 0 everything is ok; 3 this machine cannot enforce.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			checks := agent.Doctor(c.Context())
			err := output.print(c.OutOrStdout(), checks, func(w *textWriter) {
				for _, ck := range checks {
					word, color := "ok  ", green
					if !ck.OK {
						word, color = "FAIL", red
					}
					fmt.Fprintf(w, "%s  %-12s %s\n", w.in(color, word), ck.Name, ck.Detail)
					if ck.Do != "" {
						fmt.Fprintf(w, "      %-12s what to do: %s\n", "", ck.Do)
					}
				}
			})
			if err != nil {
				return &exitError{exitInternal, err}
			}
			if !agent.Healthy(checks) {
				return &exitError{code: exitUnsupported}
			}
			return nil
		},
	}
	output = outputFlag(c)
	return c
}

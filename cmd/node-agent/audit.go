package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Verify and read audit logs"}
	c.AddCommand(auditVerifyCommand(), auditTailCommand())
	return c
}

func auditVerifyCommand() *cobra.Command {
	var output *outputFormat
	c := &cobra.Command{
		Use:   "verify DIR|SEGMENT",
		Short: "Verify a log and say what that proves",
		Long: `Verifies every record of a log and names the first bad one.
Exit codes: 0 it holds together; 1 tampered with; 2 incomplete: bytes after the
last commit, as a crash leaves them; 3 decisions are missing that were never
declared lost; 125 it could not be read.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			rep, err := audit.Verify(c.Context(), args[0], audit.VerifyOptions{})
			if err != nil {
				return &exitError{exitInternal, err}
			}
			if w := c.OutOrStdout(); *output == "json" {
				err = rep.JSON(w)
			} else {
				err = rep.WriteText(w, useColor(w))
			}
			if err != nil {
				return &exitError{exitInternal, err}
			}
			if code := rep.ExitCode(); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
	output = outputFlag(c)
	return c
}

func auditTailCommand() *cobra.Command {
	var o audit.TailOptions
	var output *outputFormat
	c := &cobra.Command{
		Use:   "tail DIR",
		Short: "Print the last records of a log",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o.JSON, o.Color = *output == "json", useColor(c.OutOrStdout())
			if err := audit.Tail(ctx, args[0], o, c.OutOrStdout()); err != nil {
				return &exitError{exitInternal, err}
			}
			return nil
		},
	}
	c.Flags().IntVarP(&o.N, "lines", "n", 10, "records to begin with; negative: all")
	c.Flags().BoolVarP(&o.Follow, "follow", "f", false, "wait for more")
	c.Flags().BoolVarP(&o.All, "all", "a", false, "also commits, heartbeats and segment headers")
	output = outputFlag(c)
	return c
}

package main

import (
	"fmt"
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
	var output string
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
			switch output {
			case "json":
				err = rep.JSON(c.OutOrStdout())
			case "text":
				err = rep.WriteText(c.OutOrStdout(), useColor(os.Stdout))
			default:
				return fmt.Errorf("-o %s: it is text or json", output)
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
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

func auditTailCommand() *cobra.Command {
	var o audit.TailOptions
	var output string
	c := &cobra.Command{
		Use:   "tail DIR",
		Short: "Print the last records of a log",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("-o %s: it is text or json", output)
			}
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			o.JSON, o.Color = output == "json", useColor(os.Stdout)
			if err := audit.Tail(ctx, args[0], o, c.OutOrStdout()); err != nil {
				return &exitError{exitInternal, err}
			}
			return nil
		},
	}
	c.Flags().IntVarP(&o.N, "lines", "n", 10, "records to begin with; negative: all")
	c.Flags().BoolVarP(&o.Follow, "follow", "f", false, "wait for more")
	c.Flags().BoolVarP(&o.All, "all", "a", false, "also commits, heartbeats and segment headers")
	c.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return c
}

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

func resumeCommand() *cobra.Command {
	var detach, quiet bool
	var log string
	var output *outputFormat
	c := &cobra.Command{
		Use:   "resume [NAME]",
		Short: "Record a detached run again whose agent is gone",
		Long: `Takes over a detached run whose agent was killed, or has stopped, and goes on
with its audit log: what waited in the kernel meanwhile is recorded, what was
lost is declared. The gate itself was there all the time. Programs of the same
build are adopted; those of another build are replaced, without a gap.
Without NAME: the one run that has no agent.

Exit codes: 0 recorded to the run's end, or until it was asked to stop (with
--detach: under way); 1 refused, since another agent records it; 2 no such run;
3 this machine cannot enforce; 125 it failed; the gate stays.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o := agent.DetachOptions{Version: version(), LogDir: log}
			if len(args) == 1 {
				o.Name = args[0]
			} else {
				runs, err := agent.Status(agent.Places{})
				if err != nil {
					return &exitError{exitInternal, err}
				}
				if o.Name, err = agent.ResumeName(runs); err != nil {
					return err
				}
			}
			if err := agent.CheckRunName(o.Name); err != nil {
				return err
			}
			if detach {
				o.Resume = true
				d, err := agent.Detach(c.Context(), o)
				if err != nil {
					return runError(err)
				}
				return output.print(c.OutOrStdout(), startedRun(d), func(w *textWriter) { printStarted(w, d) })
			}
			pr := newDenials(os.Stderr, useColor(os.Stderr))
			denied := pr.print
			if quiet {
				denied = nil
			}
			over, err := agent.Resume(c.Context(), o, denied, func(s *agent.RunState, how string, notes []string) error {
				d := &agent.Detached{State: s, PID: os.Getpid(), How: how, Notes: notes}
				return output.print(c.OutOrStdout(), startedRun(d), func(w *textWriter) { printStarted(w, d) })
			})
			pr.close()
			if err != nil {
				return runError(err)
			}
			if !quiet && !over {
				fmt.Fprintf(os.Stderr, "safeclaw: %s goes on gated; nobody records it now: node-agent resume %s\n", o.Name, o.Name)
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&detach, "detach", "d", false, "record in the background")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "print no denials")
	c.Flags().StringVar(&log, "log", "", "directory of the audit log, where the run's state is lost")
	output = outputFlag(c)
	return c
}

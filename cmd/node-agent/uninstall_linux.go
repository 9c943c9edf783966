package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

func uninstallCommand() *cobra.Command {
	var all bool
	var o agent.UninstallOptions
	var output *outputFormat
	c := &cobra.Command{
		Use:   "uninstall NAME | --all",
		Short: "Remove a detached run's gate from the kernel, and say what was removed",
		Long: `Removes the programs, maps and links of a detached run, its cgroup and its state.
What the kernel still has for its audit log is recorded first; the log stays.

While gated tasks run it refuses. --kill ends them first. --force leaves them
running UNGATED: they keep running, and nothing of the policy holds any more.

Exit codes: 0 removed; 1 refused, since gated tasks run or another agent holds
the run; 2 wrong use or no such run; 125 something could not be removed.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return errors.New("what shall go? NAME, or --all; node-agent status lists them")
			}
			o.Version = version()
			runs, err := agent.Status(o.Places)
			if err != nil {
				return &exitError{exitInternal, err}
			}
			if !all {
				r, err := agent.FindRun(runs, args[0])
				if err != nil {
					return err
				}
				runs = []agent.RunStatus{*r}
			}
			removed := []*agent.Removed{}
			var failed error
			for i := range runs {
				r, err := agent.Uninstall(c.Context(), &runs[i], o)
				if r != nil {
					removed = append(removed, r)
				}
				failed = errors.Join(failed, err)
			}
			err = output.print(c.OutOrStdout(), removed, func(w *textWriter) { printRemoved(w, removed) })
			return runError(errors.Join(failed, err))
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every run, and whatever else is pinned")
	c.Flags().BoolVar(&o.Kill, "kill", false, "kill gated tasks first")
	c.Flags().BoolVar(&o.Force, "force", false, "also while gated tasks run: they go on UNGATED")
	c.MarkFlagsMutuallyExclusive("kill", "force")
	output = outputFlag(c)
	return c
}

func printRemoved(w *textWriter, removed []*agent.Removed) {
	for _, r := range removed {
		for _, name := range r.Removed {
			fmt.Fprintf(w, "removed %s\n", name)
		}
		if r.Killed > 0 {
			fmt.Fprintf(w, "%s: %d gated tasks were killed\n", r.Name, r.Killed)
		}
		if r.Ungated > 0 {
			fmt.Fprintf(w, "%s: %s\n", r.Name, w.in(red, fmt.Sprintf("%d tasks go on UNGATED", r.Ungated)))
		}
		for _, n := range r.Notes {
			fmt.Fprintf(w, "%s: %s\n", r.Name, n)
		}
	}
}

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

func statusCommand() *cobra.Command {
	var output *outputFormat
	c := &cobra.Command{
		Use:   "status",
		Short: "What is enforced on this machine by runs that outlive the tool",
		Long: `Lists every detached run, and whatever else is pinned: whether it is enforced,
who records it or since when nobody does, the programs' generation, the bound
cgroups and their policies, what is switched off and for how long, and counters.

Exit codes: 0 all is enforced and recorded; 1 something needs a look: a run
without an agent, leftovers, damaged state, enforcement switched off;
125 it could not be read.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			runs, err := agent.Status(agent.Places{})
			if err != nil {
				return &exitError{exitInternal, err}
			}
			if runs == nil {
				runs = []agent.RunStatus{}
			}
			err = output.print(c.OutOrStdout(), runs, func(w *textWriter) { printStatus(w, runs, time.Now()) })
			if err != nil {
				return &exitError{exitInternal, err}
			}
			for _, r := range runs {
				if needsLook(r) {
					return &exitError{code: exitFindings}
				}
			}
			return nil
		},
	}
	output = outputFlag(c)
	return c
}

func needsLook(r agent.RunStatus) bool {
	return r.State != agent.RunEnforced && r.State != agent.RunStarting || len(r.Problems) > 0 || len(r.Off) > 0
}

func printStatus(w *textWriter, runs []agent.RunStatus, now time.Time) {
	if len(runs) == 0 {
		fmt.Fprintln(w, "nothing is pinned: no detached run")
		return
	}
	rows := [][]string{{"RUN", "STATE", "AGENT", "TASKS", "DECISIONS", "DENIED", "LOST", "GENERATION", "PROGRAM"}}
	for _, r := range runs {
		row := []string{r.Name, r.State, agentText(r.Agent, now), "-", "-", "-", "-", "-", strings.Join(r.Argv, " ")}
		if r.Counters != nil {
			row[3], row[4] = fmt.Sprint(r.Tasks), fmt.Sprint(r.Counters.Decisions)
			row[5], row[6] = fmt.Sprint(r.Counters.Denied), fmt.Sprint(r.Counters.Lost)
		}
		if r.Generation > 0 {
			row[7] = fmt.Sprintf("%d (%s)", r.Generation, r.Key)
		}
		rows = append(rows, row)
	}
	w.table(rows, func(row, column int) string {
		if row == 0 || column != 1 {
			return ""
		}
		if needsLook(runs[row-1]) {
			return yellow
		}
		return green
	})
	for _, r := range runs {
		printDetails(w, r)
	}
}

func agentText(a agent.AgentStatus, now time.Time) string {
	switch {
	case a.Alive:
		return fmt.Sprintf("pid %d", a.PID)
	case a.Seen.IsZero():
		return "none"
	}
	return fmt.Sprintf("none for %v", now.Sub(a.Seen).Round(time.Second))
}

func printDetails(w *textWriter, r agent.RunStatus) {
	for _, b := range r.Bindings {
		path := b.Path
		if path == "" {
			path = fmt.Sprintf("cgroup %d, which is gone", b.CgroupID)
		}
		fmt.Fprintf(w, "%s: %s by %s\n", r.Name, path, policyName(b))
	}
	for _, o := range r.Off {
		what := o.Path
		if o.Node {
			what = "the whole node"
		} else if what == "" {
			what = fmt.Sprintf("cgroup %d", o.CgroupID)
		}
		fmt.Fprintf(w, "%s: %s\n", r.Name, w.in(red, fmt.Sprintf("SWITCHED OFF for %v more: %s", o.Left.Round(time.Second), what)))
	}
	if c := r.Counters; c != nil && c.NamesForgotten+c.NamesUnlearned > 0 {
		fmt.Fprintf(w, "%s: more names are in use than a pod has room for: %d were forgotten before their time, %d not learned (docs/network.md)\n",
			r.Name, c.NamesForgotten, c.NamesUnlearned)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "%s: %s\n", r.Name, p)
	}
	if do := nextStep(r); do != "" {
		fmt.Fprintf(w, "%s: %s\n", r.Name, do)
	}
}

func policyName(b agent.BindingStatus) string {
	if b.Policy == "" {
		return fmt.Sprintf("the policy in slot %d", b.Slot)
	}
	return b.Policy
}

// nextStep says what to do about a run.
func nextStep(r agent.RunStatus) string {
	if r.Daemon {
		if r.State == agent.RunUnattended || r.State == agent.RunEnded {
			return "what the node's daemon has put in force is, but nobody records: see its pod; if it shall go: node-agent uninstall --force " + r.Name
		}
		return ""
	}
	switch r.State {
	case agent.RunUnattended:
		return "enforced, but nobody records: node-agent resume --detach " + r.Name
	case agent.RunEnded:
		return "no gated task is left; record the end and remove it: node-agent resume " + r.Name
	case agent.RunGone, agent.RunIncomplete:
		return "remove what is left: node-agent uninstall " + r.Name
	}
	return ""
}

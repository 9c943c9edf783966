package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

// switchFlags gives a command the flags that say what the off switch is about.
func switchFlags(c *cobra.Command, t *agent.SwitchTarget) {
	c.Flags().StringVar(&t.Run, "run", "", "NAME of a detached run")
	c.Flags().StringVar(&t.Cgroup, "cgroup", "", "PATH of a gated cgroup's directory; what gates it is meant")
	c.Flags().BoolVar(&t.Node, "node", false, "everything that is pinned on this machine")
	c.MarkFlagsOneRequired("run", "cgroup", "node")
	c.MarkFlagsMutuallyExclusive("run", "cgroup", "node")
}

func absolute(t *agent.SwitchTarget) (err error) {
	if t.Cgroup != "" {
		t.Cgroup, err = filepath.Abs(t.Cgroup)
	}
	return err
}

func disableCommand() *cobra.Command {
	var t agent.SwitchTarget
	var period time.Duration
	var reason string
	var output *outputFormat
	c := &cobra.Command{
		Use:   "disable (--run NAME | --cgroup PATH | --node) --for DURATION --reason TEXT",
		Short: "Switch enforcement off for a time; the kernel ends it",
		Long: `Switches enforcement off for what the flags name, at most for a day. Who did it,
until when and why is recorded in the run's audit log: at once by a living agent,
else when the run is resumed. What would have been denied meanwhile is recorded
one by one. The kernel ends it by its own clock, whether or not an agent lives;
node-agent enable ends it at once, node-agent status shows the time left.

Exit codes: 0 it is off; 2 wrong use, or nothing pinned gates the target;
125 it failed.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if reason == "" {
				return errors.New("why? --reason TEXT; it is recorded")
			}
			if err := absolute(&t); err != nil {
				return err
			}
			done, err := agent.SwitchOff(agent.Places{}, t, period, reason)
			if err != nil {
				return runError(err)
			}
			return output.print(c.OutOrStdout(), done, func(w *textWriter) {
				for _, s := range done {
					fmt.Fprintf(w, "%s\n", w.in(red, fmt.Sprintf("%s: enforcement is OFF until %s", switchedText(s), s.Until.Format(time.DateTime))))
				}
			})
		},
	}
	switchFlags(c, &t)
	c.Flags().DurationVar(&period, "for", 0, "how long, such as 90s or 10m (required)")
	c.Flags().StringVar(&reason, "reason", "", "why (required)")
	_ = c.MarkFlagRequired("for")
	_ = c.MarkFlagRequired("reason")
	output = outputFlag(c)
	return c
}

func enableCommand() *cobra.Command {
	var t agent.SwitchTarget
	var reason string
	var output *outputFormat
	c := &cobra.Command{
		Use:   "enable (--run NAME | --cgroup PATH | --node)",
		Short: "Switch enforcement on again before its time is over",
		Long: `Ends what node-agent disable began, at once. It is no error where nothing is off.
Exit codes: 0 enforcement is on; 2 wrong use, or nothing pinned gates the target;
125 it failed.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := absolute(&t); err != nil {
				return err
			}
			done, err := agent.SwitchOn(agent.Places{}, t, reason)
			if err != nil {
				return runError(err)
			}
			return output.print(c.OutOrStdout(), done, func(w *textWriter) {
				for _, s := range done {
					fmt.Fprintf(w, "%s: enforcement is on\n", switchedText(s))
				}
			})
		},
	}
	switchFlags(c, &t)
	c.Flags().StringVar(&reason, "reason", "", "why; it is recorded")
	output = outputFlag(c)
	return c
}

func switchedText(s agent.Switched) string {
	if s.Node {
		return s.Instance + ", the whole node"
	}
	return fmt.Sprintf("%s, cgroup %d", s.Instance, s.CgroupID)
}

package main

import (
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

// hiddenCommands are the processes that run starts of itself, and what a pod of
// deploy/daemonset/preflight does once its node was found able.
func hiddenCommands() []*cobra.Command {
	return []*cobra.Command{
		{
			Use: agent.ContainerCommand, Hidden: true, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				if err := agent.ContainerInit(); err != nil {
					return &exitError{code: agent.ExitNotExecutable}
				}
				return nil
			},
		},
		{
			Use: agent.SupervisorCommand, Hidden: true, Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				if err := agent.Supervise(c.Context()); err != nil {
					return &exitError{code: exitInternal} // it was reported
				}
				return nil
			},
		},
		{
			Use: agent.GuardCommand, Hidden: true, Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return agent.Guard(args[0]) },
		},
		{
			Use: "pause", Hidden: true, Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				ctx, cancel := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
				defer cancel()
				<-ctx.Done()
				return nil
			},
		},
	}
}

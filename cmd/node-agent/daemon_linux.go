package main

import (
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

func daemonCommand() *cobra.Command {
	o := agent.DaemonOptions{Version: version()}
	c := &cobra.Command{
		Use:   "daemon",
		Short: "Gate the pods of a Kubernetes node (deploy/daemonset runs it)",
		Long: `Gates the pods of this node that carry the label safeclaw.dev/policy, or that
the operator's settings require to be gated, until it is asked to stop. What is
in force then stays in force, and the next daemon goes on with it.

Exit codes: 0 asked to stop; 3 this machine cannot enforce; 125 it failed; what
was in force still is.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Node == "" || o.Namespace == "" {
				return errors.New("daemon: --node and --namespace are needed: the names of this node, and of the agent's own namespace")
			}
			ctx, cancel := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer cancel()
			o.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
			err := agent.Daemon(ctx, o)
			if reportUnsupported(err) {
				return &exitError{exitUnsupported, nil}
			}
			if err != nil {
				return &exitError{exitInternal, err}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&o.Node, "node", os.Getenv("NODE_NAME"), "this node's name in the cluster ($NODE_NAME)")
	f.StringVar(&o.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "the agent's own namespace ($POD_NAMESPACE)")
	f.StringVar(&o.PodUID, "pod-uid", os.Getenv("POD_UID"), "the UID of the agent's own pod, which is never gated ($POD_UID)")
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "how to reach the API server; without it by the pod's ServiceAccount")
	f.StringVar(&o.CgroupRoot, "cgroup-root", "", "where the node's cgroup v2 hierarchy is mounted; without it, found")
	f.StringVar(&o.HostProc, "host-proc", "/proc/1", "/proc directory of a process with the node's root and namespaces")
	f.StringVar(&o.StateDir, "state-dir", "/var/lib/safeclaw", "what must outlive the daemon")
	f.StringVar(&o.LogDir, "log-dir", agent.DefaultLogs+"/node", "the audit log")
	return c
}

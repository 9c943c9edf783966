package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

type runFlags struct {
	policy, root, mode, log, user, dir string
	name                               string
	volumes, env                       []string
	resolvers, search                  []string
	quiet, detach                      bool
	keep                               agent.LogOptions
	relaxations                        func() ([]string, error)
}

func runCommand() *cobra.Command {
	var f runFlags
	var output *outputFormat
	c := &cobra.Command{
		Use:   "run --policy FILE [flags] -- CMD [ARG...]",
		Short: "Run a program under a policy, enforced by the kernel",
		Long: `Runs a program and all that it starts under a policy, enforced by the kernel.

Without --detach the run ends with the program: what it left running is killed,
and so is everything if node-agent is killed. Its exit status is the program's.

With --detach the command returns at once, with 0 when the program has started.
The gate is pinned in the kernel: it enforces whether or not anybody records, and
killing node-agent changes nothing for the program. The run ends, and is removed,
when the program and all it left running have ended. Standard input is /dev/null;
standard output and error go to a file beside the log, LOG.out.`,
		Example: `  node-agent run --policy policy.yaml -- python3 agent.py
  node-agent run --policy policy.yaml --mode observe -- npm test
  node-agent run --policy policy.yaml --detach --name scraper -- python3 scraper.py
  node-agent run --policy policy.yaml --root ./rootfs --volume ./secrets:/run/secrets/app:ro -- docker-entrypoint.sh node agent.js`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("which program? node-agent run --policy FILE -- CMD [ARG...]")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if f.detach {
				return runDetached(c, f, args, output)
			}
			return runGated(c.Context(), f, args)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.policy, "policy", "", "policy file, or a ConfigMap manifest that holds one (required)")
	fl.StringVar(&f.root, "root", "", "run in a pod-shaped container with this root directory")
	fl.StringVar(&f.mode, "mode", "", "observe: record what would be denied, deny nothing; enforce: deny, also where the policy says mode: observe")
	fl.StringVar(&f.log, "log", "", "directory of the audit log (default: a new one below "+agent.DefaultLogs+")")
	logFlags(fl, &f.keep)
	fl.StringArrayVar(&f.volumes, "volume", nil, "SOURCE:/TARGET[:ro] mounted into the container; may be repeated")
	fl.StringArrayVar(&f.env, "env", nil, "NAME=VALUE, or NAME for its value here; a container gets no other of this environment; may be repeated")
	fl.StringSliceVar(&f.resolvers, "resolver", nil, "ADDRESS of a server that names may be asked of on port 53; may be repeated (default: those of /etc/resolv.conf)")
	fl.StringSliceVar(&f.search, "search", nil, "search DOMAIN of the program's resolver; may be repeated (default: those of /etc/resolv.conf)")
	fl.StringVar(&f.user, "user", "", "UID[:GID] of the program")
	fl.StringVar(&f.dir, "workdir", "", "working directory of the program")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print neither denials nor the summary")
	fl.BoolVarP(&f.detach, "detach", "d", false, "return when the program has started: the kernel enforces without this tool, and a process of its own records")
	fl.StringVar(&f.name, "name", "", "with --detach: name of the run (default: made from the program's)")
	f.relaxations = relaxationFlag(c)
	output = outputFlag(c)
	fl.SetInterspersed(false)
	_ = c.MarkFlagRequired("policy")
	return c
}

// network reads the flags that say how the program resolves names.
func (f *runFlags) network() (loader.Network, error) {
	resolvers, err := agent.ParseResolvers(f.resolvers)
	if err != nil {
		return loader.Network{}, err
	}
	return agent.NodeNetwork(resolvers, f.search)
}

// place reads the flags that say where and as whom a program runs.
func (f *runFlags) place() (root string, volumes []agent.Volume, err error) {
	if f.mode != "" && f.mode != "observe" && f.mode != "enforce" {
		return "", nil, fmt.Errorf("--mode %s: it is observe or enforce", f.mode)
	}
	for _, v := range f.volumes {
		vol, err := agent.ParseVolume(v)
		if err != nil {
			return "", nil, err
		}
		if vol.Source, err = filepath.Abs(vol.Source); err != nil {
			return "", nil, err
		}
		volumes = append(volumes, vol)
	}
	if f.root == "" {
		if len(volumes) > 0 {
			return "", nil, errors.New("--volume needs --root")
		}
		return "", nil, nil
	}
	root, err = filepath.Abs(f.root)
	return root, volumes, err
}

// readPolicy reads and checks the policy.
func (f *runFlags) readPolicy() (agent.RunPolicy, *policy.Tables, error) {
	src, err := os.ReadFile(f.policy)
	if err != nil {
		return agent.RunPolicy{}, nil, err
	}
	p := agent.RunPolicy{Name: f.policy, Source: src, Baseline: "runtime", Mode: f.mode}
	if f.root != "" {
		p.Baseline = "image"
	}
	if p.Relaxations, err = f.relaxations(); err != nil {
		return p, nil, err
	}
	t, err := p.Compile()
	if err != nil {
		return p, nil, &exitError{exitUsage, err}
	}
	return p, t, nil
}

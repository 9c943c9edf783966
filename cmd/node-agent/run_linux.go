package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// defaultLogs is where runs without --log keep theirs, one directory each.
const defaultLogs = "/var/log/safeclaw"

type runFlags struct {
	policy, root, mode, log, user, dir string
	volumes, env                       []string
	quiet                              bool
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run --policy FILE [flags] -- CMD [ARG...]",
		Short: "Run a program under a policy, enforced by the kernel",
		Example: `  node-agent run --policy policy.yaml -- python3 agent.py
  node-agent run --policy policy.yaml --mode observe -- npm test
  node-agent run --policy policy.yaml --root ./rootfs --volume ./secrets:/run/secrets/app:ro -- docker-entrypoint.sh node agent.js`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("which program? node-agent run --policy FILE -- CMD [ARG...]")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runGated(c.Context(), f, args) },
	}
	fl := c.Flags()
	fl.StringVar(&f.policy, "policy", "", "policy file, or a ConfigMap manifest that holds one (required)")
	fl.StringVar(&f.root, "root", "", "run in a pod-shaped container with this root directory")
	fl.StringVar(&f.mode, "mode", "", "observe: record what would be denied, deny nothing; enforce: deny, also where the policy says mode: observe")
	fl.StringVar(&f.log, "log", "", "directory of the audit log (default: a new one below "+defaultLogs+")")
	fl.StringArrayVar(&f.volumes, "volume", nil, "SOURCE:/TARGET[:ro] mounted into the container; may be repeated")
	fl.StringArrayVar(&f.env, "env", nil, "NAME=VALUE, or NAME for its value here; a container gets no other of this environment; may be repeated")
	fl.StringVar(&f.user, "user", "", "UID[:GID] of the program")
	fl.StringVar(&f.dir, "workdir", "", "working directory of the program")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print neither denials nor the summary")
	fl.SetInterspersed(false)
	_ = c.MarkFlagRequired("policy")
	return c
}

func runGated(ctx context.Context, f runFlags, args []string) error {
	o := agent.RunOptions{
		Argv: args, Root: f.root, User: f.user, Dir: f.dir, Env: f.env, LogDir: f.log, Version: version(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if f.mode != "" && f.mode != "observe" && f.mode != "enforce" {
		return fmt.Errorf("--mode %s: it is observe or enforce", f.mode)
	}
	for _, v := range f.volumes {
		vol, err := agent.ParseVolume(v)
		if err != nil {
			return err
		}
		if vol.Source, err = filepath.Abs(vol.Source); err != nil {
			return err
		}
		o.Volumes = append(o.Volumes, vol)
	}
	baseline := "runtime"
	if o.Root != "" {
		baseline = "image"
		var err error
		if o.Root, err = filepath.Abs(o.Root); err != nil {
			return err
		}
	} else if len(o.Volumes) > 0 {
		return errors.New("--volume needs --root")
	}
	src, err := os.ReadFile(f.policy)
	if err != nil {
		return err
	}
	p, err := policy.Parse(f.policy, src)
	if err != nil {
		return err
	}
	opts := policy.Options{DefaultBaseline: baseline}
	switch f.mode {
	case "observe":
		opts.Mode = f.mode
	case "enforce":
		p.Mode = f.mode
	}
	if o.Tables, err = policy.Compile(p, opts); err != nil {
		return &exitError{exitUsage, err}
	}
	if err := loader.Enforceable(o.Tables); err != nil {
		return &exitError{exitUsage, fmt.Errorf("%s: %w", f.policy, err)}
	}
	o.PolicyName = f.policy
	if o.LogDir == "" {
		o.LogDir = filepath.Join(defaultLogs, fmt.Sprintf("run-%s-%d", time.Now().UTC().Format("20060102T150405Z"), os.Getpid()))
		if err := os.MkdirAll(defaultLogs, 0o700); err != nil {
			return &exitError{exitInternal, err}
		}
	}
	pr := newDenials(os.Stderr, useColor(os.Stderr))
	if !f.quiet {
		o.Denied = pr.print
	}
	res, err := agent.Run(ctx, o)
	printed := pr.close()
	if err != nil {
		return &exitError{exitInternal, err}
	}
	if res.StartErr != nil {
		fmt.Fprintf(os.Stderr, "node-agent: %s did not start: %v\n", args[0], res.StartErr)
	}
	if !f.quiet && printed {
		summary(os.Stderr, pr, res, o.LogDir)
	}
	if res.Report.ExitCode() != audit.ExitProven {
		return &exitError{exitInternal, fmt.Errorf("the audit log in %s does not verify; run: node-agent audit verify %s", o.LogDir, o.LogDir)}
	}
	if res.ExitCode != 0 {
		return &exitError{code: res.ExitCode}
	}
	return nil
}

func summary(w io.Writer, d *denials, res *agent.RunResult, dir string) {
	var decisions, denied, counted uint64
	for _, s := range res.Stats {
		decisions, denied, counted = decisions+s.Decisions, denied+s.Denied, counted+s.Counted
	}
	d.repeats()
	fmt.Fprintf(w, "safeclaw: %d decisions: %d denied, %d would be denied, %d allowed (%d of these counted)\n",
		decisions, denied, d.would, decisions-denied-d.would, counted)
	b := res.Report.Balance
	fmt.Fprintf(w, "safeclaw: log %s: %d records, verified; %d decisions declared lost, %d unexplained\n",
		dir, res.Report.Records, b.Declared, b.Unexplained)
}

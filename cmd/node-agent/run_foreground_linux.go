package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// runGated runs a program as this process's own.
func runGated(ctx context.Context, f runFlags, args []string) error {
	if f.name != "" {
		return fmt.Errorf("--name needs --detach")
	}
	o := agent.RunOptions{
		Argv: args, User: f.user, Dir: f.dir, Env: f.env, LogDir: f.log, Log: f.keep, Version: version(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, PolicyName: f.policy,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	var err error
	if o.Root, o.Volumes, err = f.place(); err != nil {
		return err
	}
	if o.Network, err = f.network(); err != nil {
		return err
	}
	if _, o.Tables, err = f.readPolicy(); err != nil {
		return err
	}
	if o.LogDir == "" {
		o.LogDir = filepath.Join(agent.DefaultLogs, fmt.Sprintf("run-%s-%d", time.Now().UTC().Format("20060102T150405Z"), os.Getpid()))
		if err := os.MkdirAll(agent.DefaultLogs, 0o700); err != nil {
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

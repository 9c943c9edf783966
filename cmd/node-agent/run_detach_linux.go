package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/ship"
)

// runDetached starts a program that outlives this process, and its gate with it.
func runDetached(c *cobra.Command, f runFlags, args []string, output *outputFormat) error {
	o := agent.DetachOptions{Argv: args, User: f.user, Dir: f.dir, Env: f.env, Name: f.name, Log: f.keep, Version: version()}
	var err error
	if o.Root, o.Volumes, err = f.place(); err != nil {
		return err
	}
	if o.Network, err = f.network(); err != nil {
		return err
	}
	if o.Policy, _, err = f.readPolicy(); err != nil {
		return err
	}
	if o.Name == "" {
		if o.Name, err = agent.NewRunName(args[0]); err != nil {
			return &exitError{exitInternal, err}
		}
	}
	if err := agent.CheckRunName(o.Name); err != nil {
		return err
	}
	if o.LogDir, err = filepath.Abs(cmp.Or(f.log, agent.RunLog(o.Name))); err != nil {
		return err
	}
	for i, a := range o.Log.Anchors {
		if a == ship.Stderr {
			return &exitError{exitUsage, errors.New("--anchor -: a detached run has no standard error of yours; name a file")}
		}
		if o.Log.Anchors[i], err = filepath.Abs(a); err != nil {
			return err
		}
	}
	o.Output = o.LogDir + ".out"
	if err := os.MkdirAll(filepath.Dir(o.LogDir), 0o700); err != nil {
		return &exitError{exitInternal, err}
	}
	d, err := agent.Detach(c.Context(), o)
	if err != nil {
		return runError(err)
	}
	return output.print(c.OutOrStdout(), startedRun(d), func(w *textWriter) {
		if f.quiet {
			fmt.Fprintln(w, d.State.Name)
			return
		}
		printStarted(w, d)
	})
}

// runError gives an error about a detached run its exit code.
func runError(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{cmp.Or(agent.ExitCode(err), exitInternal), err}
}

// startedJSON is what -o json says of a run under way.
type startedJSON struct {
	Name       string    `json:"name"`
	Program    int       `json:"program_pid,omitempty"`
	Supervisor int       `json:"supervisor_pid"`
	How        string    `json:"how,omitempty"` // resumed: adopted or upgraded
	Cgroup     string    `json:"cgroup"`
	Log        string    `json:"log"`
	Output     string    `json:"output"`
	Started    time.Time `json:"started"`
	Notes      []string  `json:"notes,omitempty"`
}

func startedRun(d *agent.Detached) startedJSON {
	s := d.State
	return startedJSON{
		Name: s.Name, Program: s.PID, Supervisor: d.PID, How: d.How, Cgroup: s.Cgroup, Log: s.Log, Output: s.Output, Started: s.Started, Notes: d.Notes,
	}
}

func printStarted(w *textWriter, d *agent.Detached) {
	s := d.State
	if d.How == "" {
		fmt.Fprintf(w, "%s runs gated; the gate stays when this tool and its supervisor (pid %d) are gone\n", s.Name, d.PID)
	} else {
		fmt.Fprintf(w, "%s is recorded again, by pid %d (%s)\n", s.Name, d.PID, d.How)
	}
	for _, n := range d.Notes {
		fmt.Fprintf(w, "  note    %s\n", n)
	}
	for _, l := range [][2]string{
		{"cgroup", s.Cgroup}, {"log", s.Log}, {"output", s.Output},
		{"see", "node-agent status; node-agent audit tail -f " + s.Log},
		{"stop", "node-agent uninstall --kill " + s.Name},
	} {
		fmt.Fprintf(w, "  %-7s %s\n", l[0], l[1])
	}
}

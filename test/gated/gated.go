// SPDX-License-Identifier: MIT

// Package gated runs programs gated from within a test's own process, as
// `node-agent run` does, with the BPF programs loaded once for all of them:
// loading is most of what a run takes under emulation. Tests of the process
// node-agent itself, its flags, codes and death, start that instead.
package gated

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Suite is a test process that runs programs gated.
type Suite struct {
	once sync.Once
	gate *loader.Gate
	err  error
}

// Main is a package's TestMain. A run starts the test binary again, as guard
// and as a container's first process: then this is one of these.
func (s *Suite) Main(m *testing.M) int {
	if len(os.Args) > 1 && os.Args[1] == agent.ContainerCommand {
		fmt.Fprintln(os.Stderr, agent.ContainerInit())
		return agent.ExitNotExecutable
	}
	if len(os.Args) > 2 && os.Args[1] == agent.GuardCommand {
		if err := agent.Guard(os.Args[2]); err != nil {
			return 1
		}
		return 0
	}
	code := m.Run()
	if s.gate != nil {
		if err := s.gate.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close the gate:", err)
			return 1
		}
	}
	return code
}

// Gate is the load that all runs of the process share.
func (s *Suite) Gate(t *testing.T) *loader.Gate {
	t.Helper()
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: enforcement")
	}
	s.once.Do(func() { s.gate, s.err = loader.Load(context.Background(), loader.Options{Protect: true}) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.gate
}

// Policy compiles what `node-agent run --policy FILE` would: with the baseline
// of an image's root, or of a language runtime on the host's.
func Policy(t *testing.T, src []byte, mode string, container bool) *policy.Tables {
	t.Helper()
	p, err := policy.Parse("policy.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	o := policy.Options{DefaultBaseline: "runtime", Mode: mode}
	if container {
		o.DefaultBaseline = "image"
	}
	tables, err := policy.Compile(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// Result is how a run ended.
type Result struct {
	*agent.RunResult        // nil where the run failed
	Output           string // of the program, standard output and error
	Err              error
}

// Run runs a program as o says. Tables and LogDir must be set; the program's
// output is collected, and the log must verify.
func (s *Suite) Run(t *testing.T, o agent.RunOptions) Result {
	t.Helper()
	o.PolicyName, o.Gate = "policy.yaml", s.Gate(t)
	// A file, so that nothing waits for those who hold it open.
	f, err := os.CreateTemp(t.TempDir(), "output")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o.Stdout, o.Stderr = f, f
	var r Result
	r.RunResult, r.Err = agent.Run(t.Context(), o)
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	r.Output = string(b)
	if r.Err == nil && r.Report.ExitCode() != audit.ExitProven {
		t.Errorf("the audit log does not verify: %+v", r.Report)
	}
	return r
}

// Ended wants the run to have ended with the program's status.
func (r Result) Ended(t *testing.T, code int) {
	t.Helper()
	if r.Err != nil {
		t.Fatalf("run: %v\n%s", r.Err, r.Output)
	}
	if r.ExitCode != code {
		t.Fatalf("the program ended with %d, want %d: %v\n%s", r.ExitCode, code, errors.Join(r.StartErr), r.Output)
	}
}

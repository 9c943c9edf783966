package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// command runs a command line as main does and returns what it printed and the
// exit code. Errors are printed to the process's own standard error.
func command(t *testing.T, stdin string, args ...string) (out string, code int) {
	t.Helper()
	out, _, code = commandWithErrors(t, stdin, args...)
	return out, code
}

// commandWithErrors is command, and also returns what went to standard error
// besides the error that ends it.
func commandWithErrors(t *testing.T, stdin string, args ...string) (out, errs string, code int) {
	t.Helper()
	var b, e bytes.Buffer
	c := rootCommand()
	c.SetArgs(args)
	c.SetOut(&b)
	c.SetErr(&e)
	c.SetIn(strings.NewReader(stdin))
	if err := c.ExecuteContext(t.Context()); err != nil {
		return b.String(), e.String(), report(err)
	}
	return b.String(), e.String(), 0
}

const (
	good = "version: 1\nrules:\n  - {action: file.read, path: /data/**, decision: allow}\n"
	bad  = "version: 1\nrules:\n  - action: file.raed\n    path: /x\n    decision: alow\n"
)

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{&exitError{code: 42}, 42},
		{&exitError{exitInternal, errors.New("disk")}, 125},
		{fmt.Errorf("parse: %w", policy.ErrorList{{Msg: "x"}}), 2},
		{errors.New("unknown flag"), 2},
	} {
		if got := report(tt.err); got != tt.code {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.code)
		}
	}
}

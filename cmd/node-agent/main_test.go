package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// command runs a command line as main does and returns what it printed and the
// exit code. Errors are printed to the process's own standard error.
func command(t *testing.T, stdin string, args ...string) (out string, code int) {
	t.Helper()
	var b bytes.Buffer
	c := rootCommand()
	c.SetArgs(args)
	c.SetOut(&b)
	c.SetIn(strings.NewReader(stdin))
	if err := c.ExecuteContext(t.Context()); err != nil {
		return b.String(), report(err)
	}
	return b.String(), 0
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

func TestPolicyCheck(t *testing.T) {
	g, b := write(t, good), write(t, bad)
	out, code := command(t, "", "policy", "check", g)
	if code != 0 || !strings.HasPrefix(out, g+": ok: 1 rules, baseline image, table ") {
		t.Errorf("exit %d: %s", code, out)
	}
	out, code = command(t, "", "policy", "check", g, b)
	if code != exitUsage || !strings.Contains(out, b+": 2 error(s)") || !strings.Contains(out, g+": ok") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, want := range []string{b + ":3:13: ", `"file.raed"`, "file.read", b + ":5:15: ", `"alow"`, "allow"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is missing in:\n%s", want, out)
		}
	}
	if out, code := command(t, good, "policy", "check", "-"); code != 0 || !strings.HasPrefix(out, "-: ok") {
		t.Errorf("standard input: exit %d: %s", code, out)
	}
	for _, args := range [][]string{
		{"policy", "check"}, {"policy", "check", "-o", "yaml", g}, {"policy", "check", filepath.Join(t.TempDir(), "none")}, {"policy", "chekc", g, "--what"},
	} {
		if _, code := command(t, "", args...); code != exitUsage {
			t.Errorf("%v: exit %d, want %d", args, code, exitUsage)
		}
	}
}

func TestPolicyCheckJSON(t *testing.T) {
	g, b := write(t, good), write(t, bad)
	out, code := command(t, "", "policy", "check", "-o", "json", g, b)
	if code != exitUsage {
		t.Errorf("exit %d", code)
	}
	var got []checkResult
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if len(got) != 2 {
		t.Fatalf("%d results", len(got))
	}
	p, err := policy.Parse(g, []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	tb, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := checkResult{File: g, OK: true, Rules: 1, Baseline: "image", Source: fmt.Sprintf("%x", tb.SourceHash), Table: fmt.Sprintf("%x", tb.Hash), TableSize: len(tb.Blob)}
	if d := cmp.Diff(want, got[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got[1].OK || len(got[1].Errors) != 2 || got[1].Table != "" {
		t.Fatalf("%+v", got[1])
	}
	if e := got[1].Errors[0]; e.Line != 3 || e.Col != 13 || e.Word != "file.raed" || !strings.Contains(e.Hint, "file.read") || e.Message == "" {
		t.Errorf("%+v", e)
	}
}

func TestPolicyBaseline(t *testing.T) {
	for _, name := range []string{"image", "runtime", "none"} {
		src, _ := policy.BaselineSource(name)
		if out, code := command(t, "", "policy", "baseline", name); code != 0 || out != string(src) || len(out) == 0 {
			t.Errorf("%s: exit %d, %d bytes", name, code, len(out))
		}
	}
	if _, code := command(t, "", "policy", "baseline", "imgae"); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}

// TestRunRefuses: wrong use ends before anything is loaded or written, on any
// machine; where the machine cannot enforce, with a code of its own.
func TestRunRefuses(t *testing.T) {
	g, b := write(t, good), write(t, bad)
	dir := t.TempDir()
	marker, log := filepath.Join(dir, "ran"), filepath.Join(dir, "log")
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"run", "--policy", b, "--log", log, "--", "/bin/touch", marker}, exitUsage},
		{[]string{"run", "--policy", dir + "/none", "--log", log, "--", "/bin/touch", marker}, exitUsage},
		{[]string{"run", "--log", log, "--", "/bin/touch", marker}, exitUsage},
		{[]string{"run", "--policy", g, "--log", log}, exitUsage},
		{[]string{"run", "--policy", g, "--log", log, "--mode", "permissive", "--", "/bin/touch", marker}, exitUsage},
		{[]string{"run", "--policy", g, "--log", log, "--volume", "/a:/b", "--", "/bin/touch", marker}, exitUsage},
		{[]string{"run", "--policy", g, "--log", log, "--root", dir, "--volume", "/a:b", "--", "/bin/touch", marker}, exitUsage},
		{[]string{"run", "--polcy", g, "--", "/bin/touch", marker}, exitUsage},
	} {
		if _, code := command(t, "", tt.args...); code != tt.code {
			t.Errorf("%v: exit %d, want %d", tt.args, code, tt.code)
		}
	}
	if err := loader.CheckActive(); err != nil {
		if _, code := command(t, "", "run", "--policy", g, "--log", log, "--", "/bin/touch", marker); code != exitUnsupported {
			t.Errorf("exit %d on a machine that cannot enforce, want %d", code, exitUnsupported)
		}
	}
	for _, name := range []string{marker, log} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{&exitError{code: 42}, 42},
		{&exitError{exitInternal, errors.New("disk")}, 125},
		{&exitError{exitInternal, fmt.Errorf("load: %w", &loader.UnsupportedError{What: "no LSM", Do: "boot with it"})}, 3},
		{fmt.Errorf("parse: %w", policy.ErrorList{{Msg: "x"}}), 2},
		{errors.New("unknown flag"), 2},
	} {
		if got := report(tt.err); got != tt.code {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.code)
		}
	}
}

func TestDenials(t *testing.T) {
	var b bytes.Buffer
	d := newDenials(&b, false)
	r := &audit.Decision{Verdict: audit.Deny, Action: "file.read", Subject: []byte("/etc/shadow\x1b[2J\n"), Rule: "no-secrets", Reason: "not for agents",
		Process: audit.Process{PID: 7, UID: 1000, Comm: []byte("comm"), Exe: []byte("/usr/bin/python3")}}
	for range 3 {
		d.show(r)
	}
	want := `safeclaw: denied file.read /etc/shadow\x1b[2J\n by python3[7] uid 1000 (rule no-secrets: not for agents)` + "\n"
	if b.String() != want {
		t.Errorf("printed %q, want %q", b.String(), want)
	}
	b.Reset()
	d.show(&audit.Decision{Verdict: audit.WouldDeny, Action: "process.exec", Class: "no-path", Rule: "default", Process: audit.Process{PID: 8, Comm: []byte("c")}})
	if want := "safeclaw: would deny process.exec (no-path) by c[8] uid 0 (rule default)\n"; b.String() != want {
		t.Errorf("printed %q, want %q", b.String(), want)
	}
	b.Reset()
	for i := range denialsMax + 5 {
		d.show(&audit.Decision{Verdict: audit.Deny, Subject: fmt.Append(nil, i)})
	}
	b.Reset()
	d.repeats()
	if out := b.String(); !strings.Contains(out, "denied 3 times in all: file.read /etc/shadow") || !strings.Contains(out, "7 more denials") || strings.Count(out, "\n") != 2 {
		t.Errorf("in the end:\n%s", out)
	}
	b.Reset()
	d = newDenials(&b, true)
	d.show(r)
	if !strings.Contains(b.String(), "\x1b[31mdenied\x1b[0m") {
		t.Errorf("no colour: %q", b.String())
	}
}

// stuck is a terminal that the program has stopped.
type stuck struct{ free chan struct{} }

func (s stuck) Write(b []byte) (int, error) {
	<-s.free
	return len(b), nil
}

func TestDenialsNeverWait(t *testing.T) {
	s := stuck{make(chan struct{})}
	d := newDenials(s, false)
	const n = 10_000
	for range n {
		d.print(&audit.Decision{Verdict: audit.WouldDeny})
	}
	if d.would != n || d.dropped.Load() == 0 {
		t.Errorf("%d counted, %d dropped", d.would, d.dropped.Load())
	}
	close(s.free)
	if !d.close() {
		t.Error("what was queued is not printed")
	}
}

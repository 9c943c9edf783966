package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

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
		{[]string{"run", "--policy", g, "--log", log, "--name", "x", "--", "/bin/touch", marker}, exitUsage},
		{[]string{"run", "--detach", "--policy", b, "--log", log, "--", "/bin/touch", marker}, exitUsage},
		{[]string{"run", "--detach", "--policy", g, "--log", log, "--name", "a/b", "--", "/bin/touch", marker}, exitUsage},
		{[]string{"resume", "a/b"}, exitUsage},
		{[]string{"resume", "no-such-run"}, exitUsage},
		{[]string{"resume", "a", "b"}, exitUsage},
		{[]string{"uninstall"}, exitUsage},
		{[]string{"uninstall", "--all", "a"}, exitUsage},
		{[]string{"uninstall", "--kill", "--force", "a"}, exitUsage},
		{[]string{"disable", "--run", "a", "--for", "1s"}, exitUsage},
		{[]string{"disable", "--run", "a", "--reason", "x"}, exitUsage},
		{[]string{"disable", "--for", "1s", "--reason", "x"}, exitUsage},
		{[]string{"disable", "--run", "a", "--node", "--for", "1s", "--reason", "x"}, exitUsage},
		{[]string{"enable"}, exitUsage},
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

func TestReportUnsupported(t *testing.T) {
	err := &exitError{exitInternal, fmt.Errorf("load: %w", &loader.UnsupportedError{What: "no LSM", Do: "boot with it"})}
	if got := report(err); got != exitUnsupported {
		t.Errorf("%d, want %d", got, exitUnsupported)
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

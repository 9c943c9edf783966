package loader

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func self(t *testing.T) string {
	t.Helper()
	p, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const busybox = "/bin/busybox"

// TestCommand: what is executed with which arguments, in ways that a shell does
// not execute programs. Every denial is recorded once, by the hook that made it.
func TestCommand(t *testing.T) {
	g, base := plain.atRest(t)
	dir := t.TempDir()
	b, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "busybox")
	if err := os.WriteFile(copied, b, 0o755); err != nil {
		t.Fatal(err)
	}
	noArgs := filepath.Join(dir, "alone")
	if err := os.WriteFile(noArgs, []byte("#!/bin/busybox true\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	n, tb := install(t, g, fmt.Sprintf(`version: 1
baseline: none
rules:
  - {id: read, action: file.read, path: {equals: /bin/busybox}, decision: allow}
  - {id: evil, action: process.exec, command: {contains: evil}, decision: deny}
  - {id: shebang, action: process.exec, command: %q, decision: allow}
  - {id: alone, action: process.exec, command: %q, decision: audit}
  - {id: echo, action: process.exec, command: busybox echo **, decision: audit}
`, "busybox true "+noArgs, noArgs))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	es := drain(t, g)
	one(t, es, tb, self(t), "entrypoint", Allow)

	for _, st := range []struct{ ask, end, subject, rule, hook string }{
		{"exec /bin/busybox echo good", "ok", busybox, "echo", "bprm_committed_creds"},
		{"exec /bin/busybox echo evil", "error: SIGKILL", busybox, "evil", "bprm_committed_creds"},
		{"exec /bin/busybox true", "error: SIGKILL", busybox, "default", "bprm_committed_creds"},
		// Nobody knows what else it is given.
		{"huge /bin/busybox 5000", "error: SIGKILL", busybox, "evil", "bprm_committed_creds"},
		{"huge /bin/busybox 4095", "error: SIGKILL", busybox, "evil", "bprm_committed_creds"},
		{"huge /bin/busybox 100000", "error: SIGKILL", busybox, "evil", "bprm_committed_creds"},
		{"huge /bin/busybox 4000", "ok", busybox, "echo", "bprm_committed_creds"},
		{"noargs /bin/busybox", "error: SIGKILL", busybox, "default", "bprm_committed_creds"},
		{"noargs " + noArgs, "ok", noArgs, "alone", "bprm_committed_creds"},
		{"exec " + noArgs + " evil", "error: SIGKILL", noArgs, "evil", "bprm_committed_creds"},
		// Its name is busybox, and its place is none of the system's.
		{"exec " + copied + " echo good", "EACCES", copied, "evil", "bprm_check_security"},
		{"memfd /bin/busybox", "EACCES", "", "evil", "bprm_check_security"},
	} {
		c.want(st.end, "%s", st.ask)
		got := drain(t, g)
		es = append(es, got...)
		var found []*Event
		for _, e := range about(got, st.subject) {
			if tb.Rules[e.Rule].Name != "read" {
				found = append(found, e)
			}
		}
		want := Deny
		if st.end == "ok" {
			want = Allow
		}
		if len(found) != 1 || tb.Rules[found[0].Rule].Name != st.rule || found[0].Hook != st.hook || found[0].Verdict != want {
			t.Errorf("%s: want one record of %s by %s at %s:%s", st.ask, st.subject, st.rule, st.hook, list(got))
		}
	}
	if err := c.done(); err != nil {
		t.Error(err)
	}
	stats, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	balance(t, base, stats, append(es, drain(t, g)...))
}

// TestCommandRace: a thread that rewrites the arguments while they are executed
// changes what is executed, or nothing; never what was judged.
func TestCommandRace(t *testing.T) {
	g := sharedGate(t)
	n, tb := install(t, g, fmt.Sprintf(`version: 1
baseline: none
rules:
  - {id: self, action: process.exec, path: {equals: %q}, decision: allow}
  - {id: good, action: process.exec, command: busybox echo good, decision: audit}
`, self(t)))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	drain(t, g)
	rounds := 60
	if long() {
		rounds = 2000
	}
	var good, evil, killed, other int
	if s := c.ask("race %s %d", busybox, rounds); !scan(s, "good %d evil %d killed %d other %d", &good, &evil, &killed, &other) {
		t.Fatal(s)
	}
	t.Logf("good %d, killed %d", good, killed)
	if evil != 0 || other != 0 || good+killed != rounds {
		t.Errorf("%d evil commands ran, %d ended otherwise", evil, other)
	}
	if good == 0 || killed == 0 {
		t.Errorf("good %d, killed %d: nothing raced", good, killed)
	}
	recorded := map[string]int{}
	for _, e := range about(drain(t, g), busybox) {
		recorded[tb.Rules[e.Rule].Name]++
	}
	if recorded["good"] != good || recorded["default"] != killed {
		t.Errorf("recorded %v", recorded)
	}
	// The race is real: ungated, evil runs.
	free := startChild(t, newGroup(t, cgroupRoot))
	if s := free.ask("race %s 60", busybox); !scan(s, "good %d evil %d killed %d other %d", &good, &evil, &killed, &other) || evil == 0 {
		t.Errorf("ungated: %s", s)
	}
}

// TestExecutable: the executable is known from an exec under the tables that
// judge. Unknown, denies by exe hold and allows do not.
func TestExecutable(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	f, d := file(t, dir, "f"), file(t, dir, "d")
	src := fmt.Sprintf(`version: 1
baseline: none
rules:
  - {id: mine, action: file.read, path: {equals: %q}, exe: {equals: %q}, decision: allow}
  - {id: not, action: file.read, path: {equals: %q}, exe: /bin/none, decision: deny}
  - {id: all, action: file.read, path: {equals: %q}, decision: allow}
`, f, self(t), d, d)
	n, tb := install(t, g, src)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	know := func(end string) {
		t.Helper()
		c.want(end, "open %s", f)
		c.want(end, "open %s", d)
		c.want(end, "fork %s", f)
		c.want(end, "fork %s", d)
	}
	know("ok")
	if err := g.ReplacePolicy(n, compile(t, src+"  - {action: file.read, path: /never, decision: allow}\n")); err != nil {
		t.Fatal(err)
	}
	know("EACCES")
	again := startChild(t, gr)
	again.want("ok", "open %s", f)
	if err := g.ReplacePolicy(n, tb); err != nil {
		t.Fatal(err)
	}
	know("ok")
	again.want("EACCES", "open %s", f)

	// Armed while it runs.
	late := newGroup(t, cgroupRoot)
	c = startChild(t, late)
	know("ok")
	bind(t, g, late, BindAny, n)
	if _, err := g.ArmExisting(); err != nil {
		t.Fatal(err)
	}
	know("EACCES")

	// A copy is another executable, whatever it calls itself.
	b, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, b, 0o755); err != nil {
		t.Fatal(err)
	}
	c = startChild(t, gr, func(cmd *exec.Cmd) {
		cmd.Path = other
		cmd.Args = []string{self(t)}
	})
	c.want("EACCES", "open %s", f)
	c.want("ok", "open %s", d)
	if got := about(drain(t, g), f); len(got) == 0 || !strings.Contains(list(got), "file_open") {
		t.Errorf("no record: %s", list(got))
	}
}

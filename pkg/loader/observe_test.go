package loader

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// floored compiles a policy that observes under a floor with a deny.
func floored(t *testing.T, src, floor string) *policy.Tables {
	t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	f, err := policy.ParseFloor("floor.yaml", []byte(floor))
	if err != nil {
		t.Fatal(err)
	}
	tb, err := policy.Compile(p, policy.Options{Floor: f})
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

// TestObserved: only a policy's own rules are observed, and each of their
// denials is a record of its own with the whole path; the floor, what is built in
// and what has no path that can be trusted are denied.
func TestObserved(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	own, floor := file(t, dir, "own"), file(t, dir, "floor")
	tb := floored(t, "version: 1\nmode: observe\nbaseline: none\nrules:\n"+
		"  - {id: own, action: file.*, path: {equals: "+own+"}, decision: deny}\n"+
		"  - {id: box, action: process.exec, command: busybox true, decision: allow}\n",
		"version: 1\nrules:\n  - {id: never, action: file.*, path: {equals: "+floor+"}, decision: deny}\n")
	n, err := g.InstallPolicy(tb)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Release(n); err != nil {
			t.Error(err)
		}
	})
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	before := total(t, g)
	drain(t, g)
	const times = 50
	if ok, _ := c.tally("many %d %s", times, own); ok != times {
		t.Errorf("%d of %d opens succeeded", ok, times)
	}
	es := about(drain(t, g), own)
	if len(es) != times {
		t.Errorf("%d records of %d opens", len(es), times)
	}
	for _, e := range es {
		if tb.Rules[e.Rule].Name != "own" || e.Verdict != WouldDeny || e.Errno != 0 || e.ExeID == 0 {
			t.Fatalf("event %+v", *e)
		}
	}
	after := total(t, g)
	if n := after.Counted - before.Counted; n != 0 {
		t.Errorf("%d of them are counted", n)
	}
	for _, tt := range []struct {
		act, end, subject, rule string
		verdict                 Verdict
	}{
		{"open " + floor, "EACCES", floor, "floor/never", Deny},
		{"open " + dir, "ok", dir, "default", WouldDeny},
		{"exec /bin/busybox true", "ok", "/bin/busybox", "box", Allow},
		{"exec /bin/busybox echo", "ok", "/bin/busybox", "default", WouldDeny},
		{"mount " + dir, "EACCES", "", "builtin/mount", Deny},
		{"trace 1", "EACCES", "", "builtin/ptrace", Deny},
		{fmt.Sprintf("at %d own", c.number("tree %s", dir)), "EACCES", "", "builtin/unresolvable", Deny},
	} {
		drain(t, g)
		c.want(tt.end, "%s", tt.act)
		one(t, drain(t, g), tb, tt.subject, tt.rule, tt.verdict)
	}
}

// TestDisabledCommand: an exec whose arguments are denied is not killed while
// enforcement is off, nor one that its environment steers.
func TestDisabledCommand(t *testing.T) {
	g := sharedGate(t)
	c, gr, tb := gated(t, g, "version: 1\nbaseline: none\nrules:\n  - {id: box, action: process.exec, command: busybox true, decision: allow}\n"+
		"  - {id: named, action: file.read, path: /nothing, exe: /bin/busybox, decision: allow}\n")
	c.want("error: SIGKILL", "exec /bin/busybox echo")
	c.want("error: SIGKILL", "environ /bin/busybox A=LD_X=1")
	if err := g.Control().Disable(gr.id, time.Minute, "a test"); err != nil {
		t.Fatal(err)
	}
	for act, rule := range map[string]string{"exec /bin/busybox echo": "default", "environ /bin/busybox A=LD_X=1": "builtin/environment"} {
		drain(t, g)
		c.want("ok", "%s", act)
		es := execs(drain(t, g))
		if e := es[len(es)-1]; tb.Rules[e.Rule].Name != rule || e.Verdict != SwitchedOff || string(e.Subject) != "/bin/busybox" {
			t.Errorf("%s: records%s", act, list(es))
		}
	}
	if err := g.Control().Enable(gr.id, ""); err != nil {
		t.Fatal(err)
	}
	c.want("error: SIGKILL", "exec /bin/busybox echo")
	switches(t, g)
}

// TestStartedOff: what begins while enforcement is off is armed, and gated when
// it is on again; what it has open stays usable.
func TestStartedOff(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, tb := install(t, g, "version: 1\nbaseline: none\nentrypoint: deny\n")
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	if err := g.Control().Disable(gr.id, time.Minute, "a test"); err != nil {
		t.Fatal(err)
	}
	drain(t, g)
	c := startChild(t, gr)
	es := execs(drain(t, g))
	if len(es) == 0 || tb.Rules[es[0].Rule].Name != "default" || es[0].Verdict != SwitchedOff {
		t.Errorf("the start: %s", list(es))
	}
	fd := c.number("hold %s", f)
	if err := g.Control().Enable(gr.id, ""); err != nil {
		t.Fatal(err)
	}
	c.want("EACCES", "open %s %d", f, unix.O_RDONLY)
	c.want("ok", "read %d", fd)
	c.want("EACCES", "exec /bin/busybox true")
	switches(t, g)
}

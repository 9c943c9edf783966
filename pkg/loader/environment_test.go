package loader

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestEnvironment: where a policy names an executable, a variable LD_... in its
// environment kills it before its first instruction, wherever it stands; nothing
// else does. Programs that the policy does not name run as they are.
func TestEnvironment(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	secret := file(t, dir, "secret")
	rules := fmt.Sprintf(`version: 1
mode: MODE
baseline: none
rules:
  - {id: named, action: file.read, path: {equals: %q}, exe: %s/named, decision: allow}
  - {id: run, action: process.exec, path: /**, decision: allow}
`, secret, dir)
	b, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	named, other := dir+"/named", dir+"/other"
	for _, p := range []string{named, other} {
		if err := os.WriteFile(p, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n, tb := install(t, g, strings.Replace(rules, "MODE", "enforce", 1))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	x := strings.Repeat
	type try struct{ env, args string }
	bad := []try{
		{"LD_PRELOAD=/x", ""},
		{"A=1,LD_=", ""},
		{"A=1,,LD_AUDIT=x", ""},
		{"A=1,LD_PRELOAD=/x", "LD_X"},
		{"LD_PRELOAD=/x," + x("a", 1<<16), ""},
		{"A=" + x("a", 100000) + ",B=" + x("b", 100000) + ",LD_PRELOAD=/x", ""},
		// Unread: nobody knows.
		{"A=" + x("a", 100000) + ",B=" + x("b", 100000) + ",C=" + x("c", 100000), ""},
	}
	// Around the edges of what is read at once.
	for at := 4096 - 12; at < 4096+4; at++ {
		bad = append(bad, try{"A=" + x("a", at-len("named")-4) + ",LD_A=", ""})
	}
	good := []try{
		{"", ""},
		{"A=1,XLD_PRELOAD=/x,LDX_A=1,L,LD,ld_preload=1,A=LD_PRELOAD", ""},
		{"A=1", "LD_PRELOAD=/x"},
		{"A=1", "A,LD_,LD_B"},
		{"A=" + x("a", 100000) + ",B=" + x("b", 100000), ""},
		{"A=" + x("a", 4096) + "LD_", ""},
	}
	drain(t, g)
	for _, try := range bad {
		c.want("error: SIGKILL", "environ %s %s %s", named, "A="+try.env, try.args)
		es := execs(drain(t, g))
		if len(es) != 2 || tb.Rules[es[1].Rule].Name != "builtin/environment" || es[1].Verdict != Deny || string(es[1].Subject) != named {
			t.Fatalf("%.60s: records%s", try.env, list(es))
		}
		c.want("ok", "environ %s %s %s", other, "A="+try.env, try.args)
		drain(t, g)
	}
	for _, try := range good {
		c.want("ok", "environ %s %s %s", named, "A="+try.env, try.args)
		if es := execs(drain(t, g)); len(es) != 1 || es[0].Verdict != Allow {
			t.Fatalf("%.60s: records%s", try.env, list(es))
		}
	}
	// Observed, it runs, and the record says what would be.
	n, tb = install(t, g, strings.Replace(rules, "MODE", "observe", 1))
	gr = newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c = startChild(t, gr)
	drain(t, g)
	c.want("ok", "environ %s A=LD_PRELOAD=/x", named)
	if es := execs(drain(t, g)); len(es) != 2 || tb.Rules[es[1].Rule].Name != "builtin/environment" || es[1].Verdict != WouldDeny {
		t.Errorf("observed: records%s", list(es))
	}
}

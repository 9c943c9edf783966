package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// execs are the decisions about programs.
func execs(es []*Event) []*Event {
	var out []*Event
	for _, e := range es {
		if policy.Kind(e.Action) == policy.KindExec {
			out = append(out, e)
		}
	}
	return out
}

// TestScriptRecord: a script and its interpreter are both judged, and an exec
// that both may is one record, of the script; the interpreter is counted, so that
// its name is told as well: the process is known by it from then on.
func TestScriptRecord(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	script, other, denied := file(t, dir, "script"), file(t, dir, "other"), file(t, dir, "sub/busybox")
	box, err := os.ReadFile(busybox)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{script: "#!/bin/busybox true\n", other: "#!" + denied + " true\n", denied: string(box)} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	rules := fmt.Sprintf("version: 1\nmode: MODE\nbaseline: none\nrules:\n  - {id: box, action: process.exec, path: {equals: /bin/busybox}, decision: allow}\n"+
		"  - {id: scripts, action: process.exec, path: %s/*, decision: allow}\n", dir)
	n, tb := install(t, g, strings.Replace(rules, "MODE", "enforce", 1))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	drain(t, g)
	if _, err := g.DrainCounted(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		c.want("ok", "exec %s", script)
		es := execs(drain(t, g))
		one(t, es, tb, script, "scripts", Allow)
		if i == 0 {
			one(t, es, tb, busybox, "box", Allow)
		} else if len(es) != 1 {
			t.Errorf("one exec, and records%s", list(es))
		}
	}
	counted, err := g.DrainCounted()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(counted, func(k Counted) bool { return k.Cgroup == gr.id && k.Hook == "bprm_check_security" && k.Count == 2 }) {
		t.Errorf("the interpreter ran three times: %+v", counted)
	}
	c.want("EACCES", "exec %s", other)
	if es := execs(drain(t, g)); len(es) != 2 || es[1].Verdict != Deny || string(es[1].Subject) != denied {
		t.Errorf("a denied interpreter: records%s", list(es))
	}
	// What would be denied is recorded, also of an interpreter.
	n, tb = install(t, g, strings.Replace(rules, "MODE", "observe", 1))
	gr = newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c = startChild(t, gr)
	drain(t, g)
	c.want("ok", "exec %s", other)
	es := execs(drain(t, g))
	one(t, es, tb, other, "scripts", Allow)
	one(t, es, tb, denied, "default", WouldDeny)
}

// TestPidReuse: a process that gets the number of a gated one is not gated, and
// two gated ones with one number can be told apart.
func TestPidReuse(t *testing.T) {
	g := sharedGate(t)
	const last = "/proc/sys/kernel/ns_last_pid"
	if _, err := os.Stat(last); errors.Is(err, fs.ErrNotExist) {
		t.Skip("kernel lacks: " + last)
	}
	f := file(t, t.TempDir(), "f")
	n, tb := install(t, g, only("/nothing"))
	gr, free := newGroup(t, cgroupRoot), newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	first := startChild(t, gr)
	drain(t, g)
	first.want("EACCES", "open %s", f)
	before := one(t, drain(t, g), tb, f, "default", Deny)
	if err := first.done(); err != nil {
		t.Fatal(err)
	}
	// again starts a child that has the number.
	again := func(gr group) *child {
		for range 200 {
			if err := os.WriteFile(last, strconv.AppendInt(nil, int64(before.PID)-1, 10), 0); err != nil {
				t.Fatal(err)
			}
			c := startChild(t, gr)
			if c.proc.Pid == int(before.PID) {
				return c
			}
			if err := c.done(); err != nil {
				t.Fatal(err)
			}
		}
		t.Fatalf("no child got the number %d", before.PID)
		return nil
	}
	c := again(free)
	c.want("ok", "open %s", f)
	if err := c.done(); err != nil {
		t.Fatal(err)
	}
	c = again(gr)
	drain(t, g)
	c.want("EACCES", "open %s", f)
	if after := one(t, drain(t, g), tb, f, "default", Deny); after.PID != before.PID || after.StartTime <= before.StartTime {
		t.Errorf("two processes %d, started at %v and %v", after.PID, before.StartTime, after.StartTime)
	}
}

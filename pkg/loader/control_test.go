package loader

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// gated is a child under a policy of its own.
func gated(t *testing.T, g *Gate, src string) (*child, group, *policy.Tables) {
	t.Helper()
	n, tb := install(t, g, src)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	return startChild(t, gr), gr, tb
}

// limit sets for a test how old a gate's beat may be.
func limit(t *testing.T, g *Gate, d time.Duration) {
	t.Helper()
	if err := errors.Join(g.Control().begin(d, false), g.Beat()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Control().begin(AgentLoss, false), g.Beat()); err != nil {
			t.Error(err)
		}
	})
}

// TestAgentLoss: without a beat for too long everything is denied under
// onAgentLoss: deny, observed or not, until the next one; under keep nothing changes.
func TestAgentLoss(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	src := "version: 1\nbaseline: none\nmode: %s\nonAgentLoss: %s\nrules:\n  - {id: f, action: file.*, path: {equals: " + f + "}, decision: allow}\n" +
		"  - {action: process.exec, path: /bin/busybox, decision: allow}\n  - {action: network.request, cidr: 127.0.0.0/8, decision: allow}\n"
	if last, most, err := g.Control().Alive(); err != nil || last == 0 || most != AgentLoss {
		t.Errorf("after the load: beat %v, limit %v, error %v", last, most, err)
	}
	limit(t, g, time.Hour)
	deny, _, tb := gated(t, g, fmt.Sprintf(src, "enforce", "deny"))
	keep, _, _ := gated(t, g, fmt.Sprintf(src, "enforce", "keep"))
	watch, _, watched := gated(t, g, fmt.Sprintf(src, "observe", "deny"))
	for range 2 {
		for _, c := range []*child{deny, keep, watch} {
			c.want("ok", "open %s", f)
		}
		keep.want("EACCES", "open /dev/null")
		watch.want("ok", "open /dev/null")

		if err := g.Control().begin(time.Nanosecond, false); err != nil {
			t.Fatal(err)
		}
		drain(t, g)
		keep.want("ok", "open %s", f)
		keep.want("ok", "exec /bin/busybox true")
		deny.want("EACCES", "open %s", f)
		one(t, drain(t, g), tb, f, "builtin/agent-loss", Deny)
		deny.want("EACCES", "exec /bin/busybox true")
		deny.want("EACCES", "connect 127.0.0.1:9")
		for _, e := range drain(t, g) {
			if e.TableID == tb.ID && (tb.Rules[e.Rule].Name != "builtin/agent-loss" || e.Verdict != Deny) {
				t.Errorf("event %+v, rule %s", *e, tb.Rules[e.Rule].Name)
			}
		}
		// What is denied anyway says why.
		deny.want("EACCES", "open /dev/null")
		one(t, drain(t, g), tb, "/dev/null", "default", Deny)
		watch.want("EACCES", "open %s", f)
		one(t, drain(t, g), watched, f, "builtin/agent-loss", Deny)

		// The kernel's own clock ends it as well.
		if err := errors.Join(g.Control().begin(2*time.Second, false), g.Beat()); err != nil {
			t.Fatal(err)
		}
		deny.want("ok", "open %s", f)
		time.Sleep(2100 * time.Millisecond)
		deny.want("EACCES", "open %s", f)
		if err := errors.Join(g.Control().begin(time.Hour, false), g.Beat()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestControlAdopted: the last beat and the off switch outlive the agent, and the
// next agent's first beat ends the denial.
func TestControlAdopted(t *testing.T) {
	dir := pinDir(t)
	f := file(t, t.TempDir(), "f")
	const most = 3 * time.Second
	g := agent(t, Options{PinDir: dir, AgentLoss: most})
	n, err := g.InstallPolicy(compile(t, fmt.Sprintf("version: 1\nbaseline: none\nonAgentLoss: deny\nrules:\n  - {action: file.*, path: {equals: %s}, decision: allow}\n", f)))
	if err != nil {
		t.Fatal(err)
	}
	deny, err := g.InstallPolicy(compile(t, denyAll))
	if err != nil {
		t.Fatal(err)
	}
	gr, off := newGroup(t, cgroupRoot), newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	bind(t, g, off, BindAny, deny)
	if err := g.Beat(); err != nil {
		t.Fatal(err)
	}
	c, free := startChild(t, gr), startChild(t, off)
	c.want("ok", "open %s", f)
	if err := g.Control().Disable(off.id, time.Hour, "before"); err != nil {
		t.Fatal(err)
	}
	closeGate(t, g)
	time.Sleep(most + 100*time.Millisecond)
	c.want("EACCES", "open %s", f)
	free.want("ok", "open %s", f)

	g = agent(t, Options{PinDir: dir, AgentLoss: time.Hour})
	if g.How() != StartAdopted {
		t.Fatalf("%v", g.How())
	}
	if _, limit, err := g.Control().Alive(); err != nil || limit != time.Hour {
		t.Errorf("limit %v, error %v", limit, err)
	}
	if err := g.Control().begin(most, false); err != nil {
		t.Fatal(err)
	}
	c.want("EACCES", "open %s", f)
	if err := g.Beat(); err != nil {
		t.Fatal(err)
	}
	c.want("ok", "open %s", f)
	if got := switches(t, g); len(got) != 1 || got[0].Reason != "before" {
		t.Errorf("to be recorded: %+v", got)
	}
	if err := g.Control().Enable(off.id, ""); err != nil {
		t.Fatal(err)
	}
	free.want("EACCES", "open %s", f)
}

// TestControlTaken: of two sets of programs the later one takes over beat, off
// switch and what is not recorded yet, as they are then.
func TestControlTaken(t *testing.T) {
	old, now := sharedGate(t).Control(), smallRing.get(t).Control()
	for _, g := range []*Gate{plain.gate, smallRing.gate} {
		switches(t, g)
	}
	put := func(c *Control, id, since, until uint64) {
		t.Helper()
		if err := c.disabled.Put(id, safeclawDisabled{Since: since, Until: until}); err != nil {
			t.Fatal(err)
		}
	}
	put(old, 0, 7, 8)
	put(old, 5, 9, 10)
	put(now, 5, 1, 2)
	put(now, 6, 1, 2)
	if err := old.note(&Switch{When: 3, Cgroup: 5, Reason: "here"}); err != nil {
		t.Fatal(err)
	}
	if err := old.control.Put(uint32(0), safeclawControl{Beat: 77, Limit: 1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(old.begin(AgentLoss, true), now.begin(AgentLoss, true)); err != nil {
			t.Error(err)
		}
	})
	for range 2 {
		if err := now.take(old); err != nil {
			t.Fatal(err)
		}
		last, limit, err := now.Alive()
		if err != nil || last != 77 || limit != AgentLoss {
			t.Errorf("beat %v, limit %v, error %v", last, limit, err)
		}
		list, err := now.entries()
		if want := []Disabled{{0, 7, 8}, {5, 9, 10}}; err != nil || !slices.Equal(list, want) {
			t.Errorf("off: %v, error %v; want %v", list, err, want)
		}
	}
	if got := switches(t, smallRing.gate); len(got) != 3 || got[0].Reason != "here" || !got[1].Expired || !got[2].Expired {
		t.Errorf("to be recorded: %+v", got)
	}
	switches(t, plain.gate)
}

// TestAuditLossObserved: of a policy that observes: what its rules deny passes, what
// cannot be recorded does not. Switched off, that passes as well.
func TestAuditLossObserved(t *testing.T) {
	g, _ := smallRing.atRest(t)
	f := file(t, t.TempDir(), "f")
	c, gr, _ := gated(t, g, "version: 1\nbaseline: none\nmode: observe\nonAuditLoss: deny\n")
	drain(t, g)
	c.want("ok", "open %s", f)
	ok, denied := c.tally("many 60 %s", f)
	if ok == 0 || denied == 0 {
		t.Errorf("%d opens passed, %d did not: want some of each", ok, denied)
	}
	es := about(drain(t, g), f)
	if len(es) != ok+1 {
		t.Errorf("%d opens succeeded, %d were recorded", ok+1, len(es))
	}
	for _, e := range es {
		if e.Verdict != WouldDeny {
			t.Errorf("event %+v", *e)
		}
	}
	if err := g.Control().Disable(gr.id, time.Minute, "a test"); err != nil {
		t.Fatal(err)
	}
	if ok, _ := c.tally("many 60 %s", f); ok != 60 {
		t.Errorf("%d of 60 opens passed while enforcement was off", ok)
	}
	if err := g.Control().Enable(gr.id, ""); err != nil {
		t.Fatal(err)
	}
	switches(t, g)
}

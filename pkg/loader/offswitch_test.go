package loader

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// switches are the changes that nobody has read yet.
func switches(t *testing.T, g *Gate) []Switch {
	t.Helper()
	var out []Switch
	if err := g.Control().Switches(func(s Switch) error {
		out = append(out, s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestDisable: what is switched off is allowed and recorded one by one, for the
// binding or for all, until it is over; what would undo the gate stays denied.
func TestDisable(t *testing.T) {
	g := sharedGate(t)
	k := g.Control()
	dir := t.TempDir()
	f := file(t, dir, "f")
	src := "version: 1\nbaseline: none\nrules:\n  - {action: file.read, path: /allowed, decision: allow}\n"
	a, gr, tb := gated(t, g, src)
	b, _, other := gated(t, g, src)
	switches(t, g)
	before := func() {
		t.Helper()
		a.want("EACCES", "open %s", f)
		b.want("EACCES", "open %s", f)
		drain(t, g)
	}
	off := func(c *child, tb *policy.Tables) {
		t.Helper()
		denied := total(t, g).Denied
		for range 3 {
			c.want("ok", "open %s", f)
			e := one(t, drain(t, g), tb, f, "default", SwitchedOff)
			if e.Errno != 0 {
				t.Errorf("errno %d", e.Errno)
			}
		}
		if n := total(t, g).Denied - denied; n != 0 {
			t.Errorf("%d acts are counted as denied", n)
		}
	}

	before()
	start, err := Now()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Disable(gr.id, time.Hour, "a test"); err != nil {
		t.Fatal(err)
	}
	off(a, tb)
	b.want("EACCES", "open %s", f)
	now, err := k.Disabled()
	if err != nil || len(now) != 1 || now[0].Cgroup != gr.id || now[0].Until-now[0].Since != time.Hour || now[0].Since < start {
		t.Fatalf("off: %+v, error %v", now, err)
	}
	tree := a.number("tree %s", dir)
	for _, tt := range []struct{ rule, act string }{
		{"builtin/unresolvable", fmt.Sprintf("at %d f", tree)},
		{"builtin/mount", "mount " + dir},
		{"builtin/ptrace", fmt.Sprintf("trace %d", os.Getpid())},
	} {
		a.want("EACCES", "%s", tt.act)
		es := drain(t, g)
		if len(es) == 0 || tb.Rules[es[len(es)-1].Rule].Name != tt.rule || es[len(es)-1].Verdict != Deny {
			t.Errorf("%s: %s", tt.act, list(es))
		}
	}
	// The kernel ends it without anybody's help.
	const shorter = 4 * time.Second
	if err := k.Disable(gr.id, shorter, "shorter"); err != nil {
		t.Fatal(err)
	}
	a.want("ok", "open %s", f)
	time.Sleep(shorter + 10*time.Millisecond)
	before()
	if now, err := k.Disabled(); err != nil || len(now) != 0 {
		t.Errorf("still off: %+v, error %v", now, err)
	}
	got := switches(t, g)
	if len(got) != 3 || got[0].Until != now[0].Until || got[1].Reason != "shorter" || got[1].Until-got[1].When != shorter {
		t.Fatalf("recorded: %+v", got)
	}
	for _, s := range got[:2] {
		if s.Cgroup != gr.id || s.UID != 0 || s.PID != uint32(os.Getpid()) || s.Comm == "" || s.Expired {
			t.Errorf("recorded: %+v", s)
		}
	}
	if want := (Switch{When: got[1].Until, Cgroup: gr.id, Expired: true, Reason: "expired"}); got[2] != want {
		t.Errorf("recorded %+v, want %+v", got[2], want)
	}

	// The whole node, ended by hand.
	if err := k.Disable(0, time.Hour, "all"); err != nil {
		t.Fatal(err)
	}
	off(a, tb)
	off(b, other)
	if err := k.Enable(0, "done"); err != nil {
		t.Fatal(err)
	}
	before()
	if got := switches(t, g); len(got) != 2 || got[0].Cgroup != 0 || got[1].Until != 0 || got[1].Expired || got[1].Reason != "done" {
		t.Errorf("recorded: %+v", got)
	}
	if err := k.Enable(gr.id, ""); err != nil || len(switches(t, g)) != 0 {
		t.Errorf("switching on what is on: %v", err)
	}
}

// TestDisableBounds: nothing is off for longer than a day, for no reason, or
// for something that is not gated; also the kernel takes no longer time.
func TestDisableBounds(t *testing.T) {
	g := sharedGate(t)
	k := g.Control()
	f := file(t, t.TempDir(), "f")
	a, gr, _ := gated(t, g, denyAll)
	free := newGroup(t, cgroupRoot)
	for _, tt := range []struct {
		name   string
		cgroup uint64
		period time.Duration
		reason string
		want   string
	}{
		{"too short", gr.id, DisableLeast - 1, "x", "not between"},
		{"too long", gr.id, DisableMost + 1, "x", "not between"},
		{"no reason", gr.id, time.Minute, " ", "a reason"},
		{"a book", gr.id, time.Minute, strings.Repeat("x", 257), "a reason"},
		{"not gated", free.id, time.Minute, "x", ErrNotBound.Error()},
	} {
		if err := k.Disable(tt.cgroup, tt.period, tt.reason); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
	if got := switches(t, g); len(got) != 0 {
		t.Errorf("what was refused is recorded: %+v", got)
	}
	now, err := Now()
	if err != nil {
		t.Fatal(err)
	}
	day := uint64(DisableMost)
	for _, v := range []safeclawDisabled{
		{Since: uint64(now), Until: uint64(now) + day + 1},
		{Since: uint64(now), Until: ^uint64(0)},
		{Since: 1, Until: ^uint64(0)},
		{Since: uint64(now) + day/2, Until: uint64(now) + day},
		{Since: uint64(now), Until: uint64(now) - 1},
		{},
	} {
		if err := k.disabled.Put(gr.id, v); err != nil {
			t.Fatal(err)
		}
		a.want("EACCES", "open %s", f)
	}
	if err := k.disabled.Put(gr.id, safeclawDisabled{Since: uint64(now), Until: uint64(now) + day}); err != nil {
		t.Fatal(err)
	}
	a.want("ok", "open %s", f)
	if err := k.Enable(gr.id, "end of the test"); err != nil {
		t.Fatal(err)
	}
	a.want("EACCES", "open %s", f)
	switches(t, g)

	// A child's cgroup means the binding that gates it.
	sub := newGroup(t, gr.dir)
	if err := k.Disable(sub.id, time.Minute, "from below"); err != nil {
		t.Fatal(err)
	}
	a.want("ok", "open %s", f)
	if err := k.Enable(sub.id, ""); err != nil {
		t.Fatal(err)
	}
	a.want("EACCES", "open %s", f)
	switches(t, g)
}

// TestDisabledSwitches: what waits to be recorded stays until it is, and while
// no more fits nothing is switched off.
func TestDisabledSwitches(t *testing.T) {
	g := sharedGate(t)
	k := g.Control()
	_, gr, _ := gated(t, g, denyAll)
	switches(t, g)
	most := int(k.switches.MaxEntries())
	for i := range most {
		if err := k.Disable(gr.id, time.Hour, fmt.Sprint(i)); err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
	}
	if err := k.Enable(gr.id, ""); err == nil {
		t.Error("a change that does not fit is no error")
	}
	if err := k.Disable(gr.id, time.Hour, "one more"); err == nil {
		t.Error("enforcement is off, and nobody will record it")
	}
	if now, err := k.Disabled(); err != nil || len(now) != 0 {
		t.Errorf("off: %+v, error %v", now, err)
	}
	stop := errors.New("the disk is full")
	n := 0
	err := k.Switches(func(s Switch) error {
		if n == 3 {
			return stop
		}
		if s.Reason != fmt.Sprint(n) {
			t.Errorf("change %d comes as number %d", n, n)
		}
		n++
		return nil
	})
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if got := switches(t, g); len(got) != most-3 || got[0].Reason != "3" {
		t.Errorf("%d changes left, want %d", len(got), most-3)
	}
}

// TestOpenControl: the off switch works from pinned maps.
func TestOpenControl(t *testing.T) {
	g := sharedGate(t)
	k := g.Control()
	f := file(t, t.TempDir(), "f")
	a, gr, _ := gated(t, g, denyAll)
	top := t.TempDir()
	mount(t, "bpf", top, "bpf", 0, "")
	if _, err := OpenControl(top); !errors.Is(err, ErrNoPins) {
		t.Errorf("nothing pinned: %v", err)
	}
	for _, set := range []string{"gen-000001-x", "gen-000002-a", "tmp-000003-z"} {
		if err := os.MkdirAll(top+"/"+set+"/maps", 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenControl(top); err == nil {
		t.Error("a set without maps is no error")
	}
	for _, m := range []struct {
		name string
		pin  func(string) error
	}{
		{"control", k.control.Pin}, {"disabled", k.disabled.Pin}, {"switches", k.switches.Pin}, {"bindings", k.bindings.Pin},
	} {
		if err := m.pin(top + "/gen-000002-a/maps/" + m.name); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, unpin := range []func() error{k.control.Unpin, k.disabled.Unpin, k.switches.Unpin, k.bindings.Unpin} {
			if err := unpin(); err != nil {
				t.Error(err)
			}
		}
	})
	c, err := OpenControl(top)
	if err != nil {
		t.Fatal(err)
	}
	switches(t, g)
	if err := c.Disable(gr.id, time.Hour, "from outside"); err != nil {
		t.Fatal(err)
	}
	a.want("ok", "open %s %d", f, unix.O_RDWR)
	if err := c.Enable(gr.id, ""); err != nil {
		t.Fatal(err)
	}
	a.want("EACCES", "open %s", f)
	if got := switches(t, g); len(got) != 2 || got[0].Reason != "from outside" {
		t.Errorf("recorded: %+v", got)
	}
	if last, _, err := c.Alive(); err != nil || last == 0 {
		t.Errorf("last beat %v, error %v", last, err)
	}
	replacedMeanwhile(t, c, top)
}

// replacedMeanwhile: who is about to change what an upgrade is replacing waits, and
// changes what replaced it; and no upgrade replaces what somebody is changing.
func replacedMeanwhile(t *testing.T, c *Control, top string) {
	t.Helper()
	old := generation{dir: top + "/gen-000002-a"}
	if f, err := os.Open(old.dir); err != nil {
		t.Fatal(err)
	} else if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("while a control is open its set can be replaced: %v", err)
	} else if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	upgrade, err := old.hold(unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error)
	go func() {
		c, err := OpenControl(top)
		if err == nil {
			err = c.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Errorf("a control was opened amid an upgrade: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := os.Rename(old.dir, top+"/gen-000003-b"); err != nil {
		t.Fatal(err)
	}
	if err := upgrade.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("after the upgrade: %v", err)
	}
	if err := os.Rename(top+"/gen-000003-b", old.dir); err != nil {
		t.Fatal(err)
	}
}

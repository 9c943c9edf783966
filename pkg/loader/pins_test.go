package loader

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// pinDir is an instance's directory of a test, whose pins are gone at its end.
func pinDir(t *testing.T) string {
	t.Helper()
	needGuest(t)
	dir := filepath.Join(PinRoot, strings.ReplaceAll(t.Name(), "/", "-"))
	t.Cleanup(func() {
		if _, err := Uninstall(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// agent is a Gate on pins that a test closes when it wants, and that is closed at its end.
func agent(t *testing.T, o Options) *Gate {
	t.Helper()
	g, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeGate(t, g) })
	return g
}

func closeGate(t *testing.T, g *Gate) {
	t.Helper()
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// TestPinned: enforcement outlives the agent, whatever the garbage collector does,
// and another one goes on where it stopped: records, counters, policies, bindings.
func TestPinned(t *testing.T) {
	dir := pinDir(t)
	ok, secret := file(t, t.TempDir(), "ok"), file(t, t.TempDir(), "secret")
	g := agent(t, Options{PinDir: dir})
	if g.How() != StartFresh || g.Generation() != 1 {
		t.Fatalf("%v, generation %d", g.How(), g.Generation())
	}
	if _, err := Load(t.Context(), Options{PinDir: dir}); !errors.Is(err, ErrBusy) {
		t.Fatalf("a second agent on the same pins: %v", err)
	}
	tb := compile(t, only(ok))
	n, err := g.InstallPolicy(tb)
	if err != nil {
		t.Fatal(err)
	}
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	c.want("ok", "open %s", ok)
	c.want("EACCES", "open %s", secret)
	before := drain(t, g)
	closeGate(t, g)
	g = nil
	for range 3 {
		runtime.GC()
		time.Sleep(50 * time.Millisecond)
	}
	c.want("EACCES", "open %s", secret)
	late := startChild(t, gr)
	late.want("EACCES", "open %s", secret)
	late.want("ok", "open %s", ok)

	g = agent(t, Options{PinDir: dir})
	if g.How() != StartAdopted || g.Generation() != 1 || g.Previous() != nil {
		t.Fatalf("%v, generation %d, previous %v", g.How(), g.Generation(), g.Previous())
	}
	held := g.Held()
	if len(held) != 1 || held[0] != (HeldSlot{Slot: n, TableID: tb.ID, Rules: len(tb.Rules)}) {
		t.Fatalf("held: %+v", held)
	}
	if err := g.Adopt(n, compile(t, only("/other"))); err == nil {
		t.Error("other tables were taken for those in the slot")
	}
	if err := g.Adopt(n, tb); err != nil {
		t.Fatal(err)
	}
	bs, err := g.Bindings()
	if err != nil || len(bs) != 1 || bs[0] != (Binding{Cgroup: gr.id, Bound: gr.id, Kind: BindAny, Slot: n}) {
		t.Fatalf("bindings: %+v, %v", bs, err)
	}
	// What was queued while nobody read.
	meanwhile := drain(t, g)
	if got := about(meanwhile, secret); len(got) != 2 {
		t.Fatalf("%d records of denials while there was no agent, want 2", len(got))
	}
	last := map[uint32]uint64{}
	for _, e := range append(before, meanwhile...) {
		if e.Seq <= last[e.CPU] {
			t.Fatalf("CPU %d: record %d again, after %d", e.CPU, e.Seq, last[e.CPU])
		}
		last[e.CPU] = e.Seq
	}
	if err := g.ReplacePolicy(n, compile(t, only(secret))); err != nil {
		t.Fatal(err)
	}
	c.want("ok", "open %s", secret)
	c.want("EACCES", "open %s", ok)
	if pids, err := g.Armed(gr.id); err != nil || len(pids) == 0 {
		t.Fatalf("armed: %v, %v", pids, err)
	}
	closeGate(t, g)

	in, err := Instances(PinRoot)
	if err != nil || len(in) != 1 || in[0].Generation != 1 || in[0].Links < len(hooks)/2 || in[0].Dir != dir {
		t.Fatalf("instances: %+v, %v", in, err)
	}
	gone, err := Uninstall(t.Context(), dir)
	if err != nil || len(gone) < in[0].Links {
		t.Fatalf("uninstall: %v, %v", gone, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory of pins: %v", err)
	}
	c.want("ok", "open %s", ok)
}

// TestUpgrade: another build takes over who is gated, by what policy, as which
// executable, and what the set before recorded last.
func TestUpgrade(t *testing.T) {
	dir := pinDir(t)
	tmp := t.TempDir()
	ok, secret, mine := file(t, tmp, "ok"), file(t, tmp, "secret"), file(t, tmp, "mine")
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	src := only(ok) + "  - {action: file.read, path: " + mine + ", exe: " + self + ", decision: allow}\n"
	g := agent(t, Options{PinDir: dir})
	tb := compile(t, src)
	n, err := g.InstallPolicy(tb)
	if err != nil {
		t.Fatal(err)
	}
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	c.want("ok", "open %s", mine)
	c.want("EACCES", "open %s", secret)
	below := group{dir: gr.dir + "/below"}
	if err := os.Mkdir(below.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeGroup(t, below.dir) })
	closeGate(t, g)

	for generation, build := range []string{"", "second"} {
		g := agent(t, Options{PinDir: dir, Build: build})
		if generation == 0 {
			if g.How() != StartAdopted {
				t.Fatal(g.How())
			}
			closeGate(t, g)
			continue
		}
		if g.How() != StartUpgraded || g.Generation() != generation+1 {
			t.Fatalf("%v, generation %d", g.How(), g.Generation())
		}
		p := g.Previous()
		if p == nil || p.Generation != generation {
			t.Fatalf("previous: %+v", p)
		}
		var last []*Event
		if err := p.Drain(func(e *Event) error { last = append(last, e); return nil }); err != nil {
			t.Fatal(err)
		}
		if len(about(last, secret)) == 0 {
			t.Error("the denial before the upgrade is not among the last records of the set before")
		}
		st, err := p.Stats()
		if err != nil {
			t.Fatal(err)
		}
		var emitted, lost uint64
		for _, s := range st {
			emitted, lost = emitted+s.Emitted, lost+s.Lost
		}
		if emitted == 0 || lost != 0 {
			t.Errorf("the set before has emitted %d and lost %d", emitted, lost)
		}
		if _, err := p.Counted(); err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if gens, err := generations(dir); err != nil || len(gens) != 1 {
			t.Fatalf("generations: %v, %v", gens, err)
		}
		if held := g.Held(); len(held) != 1 || held[0].TableID != tb.ID {
			t.Fatalf("held: %+v", held)
		}
		if err := g.Adopt(n, tb); err != nil {
			t.Fatal(err)
		}
		bs, err := g.Bindings()
		if err != nil || len(bs) != 2 {
			t.Fatalf("bindings: %+v, %v", bs, err)
		}
		c.want("ok", "open %s", ok)
		c.want("ok", "open %s", mine) // the executable's identity went along
		c.want("EACCES", "open %s", secret)
		c.want("EACCES", "fork %s", secret)
		if es := about(drain(t, g), secret); len(es) != 2 {
			t.Errorf("%d records of two denials", len(es))
		}
		c.want("EACCES", "open %s", secret) // the next set finds its record
		closeGate(t, g)
	}
}

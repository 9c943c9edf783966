package loader

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// only is a policy that allows and records what is named, and nothing else.
func only(paths ...string) string {
	return fmt.Sprintf("version: 1\nbaseline: none\nrules:\n  - id: only\n    action: file.*\n    path: {in: [%s]}\n    decision: audit\n", strings.Join(paths, ", "))
}

// large is a policy whose tables need the large size class.
func large(allow string) string {
	var b strings.Builder
	b.WriteString("version: 1\nbaseline: none\nrules:\n  - id: allowed\n    action: file.read\n    path: {equals: " + allow + "}\n    decision: audit\n")
	for r := range 12 {
		b.WriteString("  - action: file.read\n    decision: deny\n    path:\n      in:\n")
		for i := range 200 {
			fmt.Fprintf(&b, "        - /large/%02d/%c%06d/%s\n", r, 'a'+i%26, i*7919+r*104729, strings.Repeat(string(rune('a'+(i+r)%26)), 20))
		}
	}
	return b.String()
}

// TestLoadClose: of two gates each has its say; a closed one has none any more,
// and has let go of everything.
func TestLoadClose(t *testing.T) {
	stays := sharedGate(t)
	dir := t.TempDir()
	a, b, other := file(t, dir, "a"), file(t, dir, "b"), file(t, dir, "c")
	all := "version: 1\nbaseline: none\nrules:\n  - action: file.*\n    path: {in: [%s, %s]}\n    decision: allow\n"
	n2, _ := install(t, stays, fmt.Sprintf(all, a, other))
	descriptors := func() int {
		es, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(es)
	}
	before := descriptors()
	first, err := Load(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if descriptors() <= before {
		t.Errorf("a gate holds no descriptors")
	}
	gr := newGroup(t, cgroupRoot)
	n1, err := first.InstallPolicy(compile(t, fmt.Sprintf(all, b, other)))
	if err != nil {
		t.Fatal(err)
	}
	bind(t, first, gr, BindAny, n1)
	bind(t, stays, gr, BindAny, n2)
	c := startChild(t, gr)
	c.want("EACCES", "open %s", a)
	c.want("EACCES", "open %s", b)
	c.want("ok", "open %s", other)

	// Without the first load its denials are gone; the other goes on.
	if err := first.Release(n1); err != nil {
		t.Fatal(err)
	}
	c.want("EACCES", "open %s", other) // a released slot denies everything
	if _, err := first.InstallPolicy(compile(t, only("/a"))); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	c.want("ok", "open %s", a)
	c.want("ok", "open %s", other)
	c.want("EACCES", "open %s", b)
	c.done() //nolint:errcheck // it was denied what it needs to end well
	if n := descriptors(); n != before {
		t.Errorf("%d descriptors after Close, %d before Load", n, before)
	}
}

func TestPolicySlots(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	a, b := file(t, dir, "a"), file(t, dir, "b")
	for _, tt := range []struct {
		name  string
		make  func(string) string
		rule  string
		large bool
	}{
		{"small", func(p string) string { return only(p) }, "only", false},
		{"large", large, "allowed", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, tb := install(t, g, tt.make(a))
			if largeTables(tb) != tt.large {
				t.Fatalf("tables of %d bytes", len(tb.Blob))
			}
			gr := newGroup(t, cgroupRoot)
			bind(t, g, gr, BindAny, n)
			c := startChild(t, gr)
			drain(t, g)
			c.want("ok", "open %s", a)
			c.want("EACCES", "open %s", b)
			es := drain(t, g)
			e := one(t, es, tb, a, tt.rule, Allow)
			if e.Slot != n || e.Cgroup != gr.id || e.PID != uint32(c.proc.Pid) || e.Hook != "file_open" || e.Errno != 0 {
				t.Errorf("event %+v: want slot %d, cgroup %d, pid %d", *e, n, gr.id, c.proc.Pid)
			}
			if e := one(t, es, tb, b, "default", Deny); e.Errno != -int32(syscall.EACCES) {
				t.Errorf("errno %d", e.Errno)
			}

			next := compile(t, tt.make(b))
			if err := g.ReplacePolicy(n, next); err != nil {
				t.Fatal(err)
			}
			if g.Tables(n) != next {
				t.Error("Tables does not return the new ones")
			}
			c.want("EACCES", "open %s", a)
			c.want("ok", "open %s", b)
			es = drain(t, g)
			one(t, es, next, a, "default", Deny)
			one(t, es, next, b, tt.rule, Allow)

			if err := g.Release(n); err != nil {
				t.Fatal(err)
			}
			if g.Tables(n) != nil {
				t.Error("Tables returns released ones")
			}
			if err := g.ReplacePolicy(n, next); err == nil {
				t.Error("a released slot was replaced")
			}
			if _, err := g.RuleCounts(n); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("rule counters of a released slot: %v", err)
			}
			// The next policy gets another slot: a task armed with this one does not fall under it.
			m, _ := install(t, g, tt.make(a))
			if m == n {
				t.Errorf("slot %d was reused at once", n)
			}
			c.want("EACCES", "open %s", a)
		})
	}
}

// TestReplaceOtherSize: a policy may grow out of its size class and back.
func TestReplaceOtherSize(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	a, b := file(t, dir, "a"), file(t, dir, "b")
	n, _ := install(t, g, only(a))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	for _, src := range []string{large(b), only(b), only(a)} {
		tb := compile(t, src)
		if err := g.ReplacePolicy(n, tb); err != nil {
			t.Fatal(err)
		}
		drain(t, g)
		ok, denied := b, a
		if src == only(a) {
			ok, denied = a, b
		}
		c.want("ok", "open %s", ok)
		c.want("EACCES", "open %s", denied)
		one(t, drain(t, g), tb, denied, "default", Deny)
	}
}

// TestNoSlot: when every slot is taken the next policy is refused, and nothing
// that is installed suffers.
func TestNoSlot(t *testing.T) {
	g := sharedGate(t)
	tb := compile(t, large("/a"))
	var taken []uint32
	var err error
	for {
		var n uint32
		if n, err = g.InstallPolicy(tb); err != nil {
			break
		}
		taken = append(taken, n)
	}
	if !errors.Is(err, ErrNoSlot) {
		t.Errorf("error %v, want ErrNoSlot", err)
	}
	if len(taken) != policiesLarge {
		t.Errorf("%d slots, want %d", len(taken), policiesLarge)
	}
	for _, n := range taken {
		if err := g.Release(n); err != nil {
			t.Error(err)
		}
	}
}

// TestReleasedSlotDenies: a task armed in a slot without tables is denied
// everything that reaches a hook, by builtin/no-policy.
func TestReleasedSlotDenies(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	src := "version: 1\nbaseline: none\nrules:\n  - action: [file.*, process.exec]\n    path: \"/**\"\n    decision: audit\n" +
		"  - action: network.request\n    cidr: 0.0.0.0/0\n    decision: audit\n"
	n, _ := install(t, g, src)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	c.want("ok", "open %s", f)
	c.want("ok", "exec /bin/busybox true")
	c.want("ECONNREFUSED", "connect 127.0.0.1:9")
	if err := g.Release(n); err != nil {
		t.Fatal(err)
	}
	drain(t, g)
	c.want("EACCES", "open %s", f)
	c.want("EACCES", "open %s %d", f, unix.O_RDWR)
	c.want("EACCES", "fork %s", f)
	c.want("EACCES", "exec /bin/busybox true")
	c.want("EACCES", "connect 127.0.0.1:9")
	hooks := map[string]int{}
	for _, e := range drain(t, g) {
		if e.Cgroup != gr.id {
			continue
		}
		hooks[e.Hook]++
		if e.Rule != uint16(safeclawRuleRULE_NO_POLICY) || e.Verdict != Deny || e.TableID != 0 || e.Slot != n {
			t.Errorf("event %+v: want a denial by builtin/no-policy", *e)
		}
	}
	if hooks["file_open"] < 3 || hooks["bprm_check_security"] != 1 || hooks["socket_connect"] != 1 {
		t.Errorf("events by hook: %v", hooks)
	}
}

// TestReplaceAtomic: both policies deny opening the file for reading and
// writing, one by its rule for reading, the other by its rule for writing. A
// mixture of the two would allow it.
func TestReplaceAtomic(t *testing.T) {
	g, _ := fewCounts.atRest(t)
	f := file(t, t.TempDir(), "f")
	src := func(read, write string) string {
		return fmt.Sprintf("version: 1\nbaseline: none\nrules:\n  - {id: r, action: file.read, path: {equals: %s}, decision: %s}\n"+
			"  - {id: w, action: file.write, path: {equals: %s}, decision: %s}\n", f, read, f, write)
	}
	var tbs [2]*policy.Tables
	n, tb0 := install(t, g, src("allow", "deny"))
	tbs[0], tbs[1] = tb0, compile(t, src("deny", "allow"))
	denier := map[uint64]string{tbs[0].ID: "w", tbs[1].ID: "r"}
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	c.want("ok", "open %s", f)
	if err := g.ReplacePolicy(n, tbs[1]); err != nil {
		t.Fatal(err)
	}
	c.want("EACCES", "open %s", f)
	c.want("ok", "open %s %d", f, unix.O_WRONLY)
	drain(t, g)
	for range 2 {
		c.want("ok", "hammer %s %d", f, unix.O_RDWR)
	}
	seen := map[uint64]int{}
	rounds := 100
	if os.Getenv("SAFECLAW_LONG") != "" {
		rounds = 2000
	}
	for i := range rounds {
		if err := g.ReplacePolicy(n, tbs[i%2]); err != nil {
			t.Fatal(err)
		}
		for _, e := range about(drain(t, g), f) {
			seen[e.TableID]++
			if r := tbs[0].Rules[e.Rule].Name; denier[e.TableID] != r {
				t.Fatalf("table %x denied by rule %q, want %q", e.TableID, r, denier[e.TableID])
			}
		}
	}
	ok, denied := c.tally("stop")
	if ok > 0 {
		t.Errorf("%d opens saw a mixture of two policies (%d did not)", ok, denied)
	}
	if seen[tbs[0].ID] == 0 || seen[tbs[1].ID] == 0 {
		t.Errorf("decisions by table: %v; both must have been seen", seen)
	}
	t.Logf("%d opens under %d replacements; recorded by table %v", denied, rounds, seen)
}

// TestRefusedPolicyStays: a policy that cannot be enforced as a whole leaves the
// one that it was to replace in force.
func TestRefusedPolicyStays(t *testing.T) {
	g := sharedGate(t)
	ok, secret := file(t, t.TempDir(), "ok"), file(t, t.TempDir(), "secret")
	n, tb := install(t, g, only(ok))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	var refused *NotEnforcedError
	later := compile(t, only(secret))
	later.Needs = append(later.Needs, "a part of the language of a later version")
	if err := g.ReplacePolicy(n, later); !errors.As(err, &refused) {
		t.Fatalf("a policy that cannot be enforced: %v", err)
	}
	c.want("ok", "open %s", ok)
	c.want("EACCES", "open %s", secret)
	if g.Tables(n) != tb {
		t.Error("the slot has other tables")
	}
}

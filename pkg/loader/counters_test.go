package loader

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSince: no counter is forgotten, and no CPU that came later.
func TestSince(t *testing.T) {
	var now, base, want CPUStats
	for i := range reflect.TypeFor[CPUStats]().NumField() {
		if f := reflect.ValueOf(&now).Elem().Field(i); f.CanUint() {
			f.SetUint(uint64(100 + i))
			reflect.ValueOf(&base).Elem().Field(i).SetUint(uint64(2 * i))
			reflect.ValueOf(&want).Elem().Field(i).SetUint(uint64(100 - i))
		}
	}
	now.CPU, base.CPU, want.CPU = 3, 3, 3
	if d := cmp.Diff([]CPUStats{want, now}, Since([]CPUStats{now, now}, []CPUStats{base})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]CPUStats{now}, Since([]CPUStats{now}, nil)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestRest: a gate that enforces is not at rest; one that does not any more
// gives its counters, and nothing of before comes out of it.
func TestRest(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, _ := install(t, g, denyAll)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	c.want("EACCES", "open %s", f)
	if _, err := g.Rest(); err == nil {
		t.Error("a gate with a policy is at rest")
	}
	c.done() //nolint:errcheck // it was denied what it needs to end well
	if err := g.Release(n); err != nil {
		t.Fatal(err)
	}
	before, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	base, err := g.Rest()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, base); d != "" || total(t, g).Denied == 0 {
		t.Errorf("the counters of a gate at rest moved, or nothing was denied (-before +after):\n%s", d)
	}
	if es := drain(t, g); len(es) > 0 {
		t.Errorf("events of before: %s", list(es))
	}
	if cs, err := g.DrainCounted(); err != nil || len(cs) > 0 {
		t.Errorf("counted allows of before: %+v, %v", cs, err)
	}
}

package loader

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// kernelWith is a kernel that has some functions.
type kernelWith []string

func (k kernelWith) TypeByName(name string, _ any) error {
	if slices.Contains(k, name) {
		return nil
	}
	return btf.ErrNotFound
}

// TestChooseObject: one missing function is enough for the plain object, which
// calls none.
func TestChooseObject(t *testing.T) {
	spec, err := loadSafeclaw()
	if err != nil {
		t.Fatal(err)
	}
	all := kfuncs(spec)
	if !slices.Contains(all, "bpf_iter_num_new") || !slices.Contains(all, "bpf_preempt_disable") || !slices.Contains(all, "bpf_rdonly_cast") {
		t.Fatalf("functions that the programs call: %v", all)
	}
	for i := range all {
		o, _, err := chooseObject(kernelWith(slices.Delete(slices.Clone(all), i, i+1)), "")
		if err != nil || o.name != VariantPlain {
			t.Errorf("without %s: %s, %v", all[i], o.name, err)
		}
	}
	if o, _, err := chooseObject(kernelWith(all), ""); err != nil || o.name != VariantKfuncs {
		t.Errorf("with all: %s, %v", o.name, err)
	}
	if o, _, err := chooseObject(kernelWith{}, ""); err != nil || o.name != VariantPlain {
		t.Errorf("with none: %s, %v", o.name, err)
	}
	if _, _, err := chooseObject(kernelWith{}, VariantKfuncs); !errors.Is(err, ErrNotSupported) {
		t.Errorf("wanted where it cannot be: %v", err)
	}
}

// plainGate is a load of the plain object, also on kernels that need it not. The
// verifiers of 7.x may refuse it: they never get it from Load.
func plainGate(t *testing.T) *Gate {
	t.Helper()
	if g := sharedGate(t); g.Variant() == VariantPlain {
		return g
	}
	g, err := Load(t.Context(), Options{variant: VariantPlain})
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	if errors.Is(err, ErrNotSupported) && u.Release[0] >= '7' {
		t.Skipf("kernel lacks: the older kernels' verifier, which takes the plain object: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// records are the armed records, and their number by the counters that stand
// for the map.
func records(t *testing.T, g *Gate) (elements map[uint64]safeclawArmedTask, counted uint64) {
	t.Helper()
	elements = map[uint64]safeclawArmedTask{}
	var key uint64
	var a safeclawArmedTask
	it := g.coll.Maps[plainMapArmedTasks].Iterate()
	for it.Next(&key, &a) {
		elements[key] = a
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	cells := g.coll.Maps[plainMapMaybeArmed]
	values := make([]uint32, cells.MaxEntries())
	keys := make([]uint32, cells.MaxEntries())
	var at ebpf.MapBatchCursor
	n, err := cells.BatchLookup(&at, keys, values, nil)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) || n != len(values) {
		t.Fatalf("read counters: %d of %d, %v", n, len(values), err)
	}
	for _, v := range values {
		counted += uint64(v)
	}
	return elements, counted
}

// TestPlainRecords: the plain object gates on this kernel, what is forked is
// gated, and a task's record goes with it.
func TestPlainRecords(t *testing.T) {
	g := plainGate(t)
	f := file(t, t.TempDir(), "f")
	n, tb := install(t, g, only("/nothing"))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	c.want("EACCES", "open %s", f)
	one(t, drain(t, g), tb, f, "default", Deny)
	if ok, denied := c.tally("forks 50 %s", f); ok != 0 || denied != 50 {
		t.Errorf("forked children: %d opened the file, %d were denied", ok, denied)
	}
	live, counted := records(t, g)
	if len(live) == 0 || counted == 0 {
		t.Errorf("%d records while a task is armed, %d by the counters", len(live), counted)
	}
	c.done() //nolint:errcheck // what it did has been judged
	e, counted := records(t, g)
	for end := time.Now().Add(20 * time.Second); (len(e) > 0 || counted > 0) && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		e, counted = records(t, g)
	}
	if len(e) != 0 || counted != 0 {
		t.Fatalf("%d records of tasks that are gone, %d by the counters", len(e), counted)
	}
	staleRecords(t, g, live, f)
}

// staleRecords puts records of tasks that are gone back, as where their deletion
// failed: they gate nobody, and one goes when a new task has the address.
func staleRecords(t *testing.T, g *Gate, stale map[uint64]safeclawArmedTask, f string) {
	t.Helper()
	armed, cells := g.coll.Maps[plainMapArmedTasks], g.coll.Maps[plainMapMaybeArmed]
	cell := func(key uint64, more uint32) {
		at := uint32(key * 0x9e3779b97f4a7c15 >> (64 - armedBits))
		var n uint32
		if err := cells.Lookup(at, &n); err != nil {
			t.Fatal(err)
		}
		if err := cells.Put(at, n+more); err != nil {
			t.Fatal(err)
		}
	}
	for key, a := range stale {
		cell(key, 1)
		if err := armed.Put(key, a); err != nil {
			t.Fatal(err)
		}
	}
	free := startChild(t, newGroup(t, cgroupRoot))
	left, forks := len(stale), 0
	for ; left == len(stale) && forks < 5000; forks += 100 {
		if ok, denied := free.tally("forks 100 %s", f); ok != 100 || denied != 0 {
			t.Fatalf("tasks that are not gated: %d opened the file, %d were denied", ok, denied)
		}
		e, _ := records(t, g)
		left = len(e)
	}
	t.Logf("%d of %d left after %d forks", left, len(stale), forks)
	if left == len(stale) {
		t.Error("no address was used again, or its record stayed")
	}
	e, counted := records(t, g)
	if uint64(len(e)) != counted {
		t.Errorf("%d records, %d by the counters", len(e), counted)
	}
	for key := range e {
		if err := armed.Delete(key); err != nil {
			t.Error(err)
		}
		cell(key, ^uint32(0))
	}
}

// armedBits is ARMED_BITS of bpf/types.h.
const armedBits = 16

// TestArmedAmongMany: far more tasks than CPUs ask at once; with full preemption
// they interrupt each other in the middle of a look-up. None is ever not gated.
func TestArmedAmongMany(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, _ := install(t, g, only("/nothing"))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	before := total(t, g)
	var cs []*child
	for range 12 {
		c := startChild(t, gr)
		c.want("ok", "hammer %s", f)
		c.want("ok", "hammer %s", f)
		cs = append(cs, c)
	}
	answers := make(chan string, len(cs))
	for _, c := range cs {
		go func() { answers <- c.ask("forks 40 %s", f) }()
	}
	for range cs {
		if s := <-answers; s != "ok 0 denied 40" {
			t.Errorf("forked children: %s", s)
		}
	}
	for _, c := range cs {
		if ok, denied := c.tally("stop"); ok != 0 || denied == 0 {
			t.Errorf("%d opened the file, %d were denied", ok, denied)
		}
	}
	after := total(t, g)
	t.Logf("%d denials, %d of them without a scratch slot, %d execs and forks without a record",
		after.Denied-before.Denied, after.NoScratch-before.NoScratch, after.NoStorage-before.NoStorage)
	if after.NoStorage != before.NoStorage {
		t.Errorf("%d execs and forks refused", after.NoStorage-before.NoStorage)
	}
}

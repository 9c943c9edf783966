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

// records is how many armed records there are, by the map and by the counters
// that stand for it.
func records(t *testing.T, g *Gate) (elements int, counted uint64) {
	t.Helper()
	var key uint64
	var a safeclawArmedTask
	it := g.coll.Maps[plainMapArmedTasks].Iterate()
	for it.Next(&key, &a) {
		elements++
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
	if e, counted := records(t, g); e == 0 || counted == 0 {
		t.Errorf("%d records while a task is armed, %d by the counters", e, counted)
	}
	c.done() //nolint:errcheck // what it did has been judged
	e, counted := records(t, g)
	for end := time.Now().Add(20 * time.Second); (e > 0 || counted > 0) && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		e, counted = records(t, g)
	}
	if e != 0 || counted != 0 {
		t.Errorf("%d records of tasks that are gone, %d by the counters", e, counted)
	}
}

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

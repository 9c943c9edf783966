package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/k8s"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// fakeGate is the kernel's part of a Reconciler's work.
type fakeGate struct {
	slots    map[uint32]uint64 // to table ids
	known    map[uint32]bool   // tables that this agent has put or adopted there
	bindings map[uint64]loader.Binding
	armed    map[uint64][]uint32
	room     int
	fail     error // of the next Bind
	passes   int   // of ArmExisting
	nets     map[uint64]loader.Network
	// unreadable is what ReadNames says.
	unreadable error
	read       map[string]bool // directories whose names are read
}

func newFakeGate() *fakeGate {
	return &fakeGate{slots: map[uint32]uint64{}, known: map[uint32]bool{}, bindings: map[uint64]loader.Binding{}, armed: map[uint64][]uint32{}, room: 512, nets: map[uint64]loader.Network{}, read: map[string]bool{}}
}

func (g *fakeGate) InstallPolicy(t *policy.Tables) (uint32, error) {
	if len(g.slots) >= g.room {
		return 0, loader.ErrNoSlot
	}
	for n := uint32(1); ; n++ {
		if _, ok := g.slots[n]; !ok {
			g.slots[n], g.known[n] = t.ID, true
			return n, nil
		}
	}
}

func (g *fakeGate) ReplacePolicy(n uint32, t *policy.Tables) error {
	if _, ok := g.slots[n]; !ok {
		return errors.New("the slot is empty")
	}
	g.slots[n], g.known[n] = t.ID, true
	return nil
}

func (g *fakeGate) Release(n uint32) error {
	delete(g.slots, n)
	delete(g.known, n)
	return nil
}

func (g *fakeGate) Adopt(n uint32, t *policy.Tables) error {
	if g.slots[n] != t.ID {
		return errors.New("other tables")
	}
	g.known[n] = true
	return nil
}

func (g *fakeGate) Held() (out []loader.HeldSlot) {
	for n, id := range g.slots {
		if !g.known[n] {
			out = append(out, loader.HeldSlot{Slot: n, TableID: id})
		}
	}
	return out
}

func (g *fakeGate) Bind(cgroup uint64, kind loader.BindingKind, slot uint32) error {
	if err := g.fail; err != nil {
		g.fail = nil
		return err
	}
	g.bindings[cgroup] = loader.Binding{Cgroup: cgroup, Bound: cgroup, Kind: kind, Slot: slot}
	return nil
}

func (g *fakeGate) Unbind(cgroup uint64) error { delete(g.bindings, cgroup); return nil }

func (g *fakeGate) Bindings() (out []loader.Binding, err error) {
	for _, b := range g.bindings {
		out = append(out, b)
	}
	return out, nil
}

func (g *fakeGate) Armed(cgroup uint64) ([]uint32, error) { return g.armed[cgroup], nil }

func (g *fakeGate) ArmExisting() ([]uint32, error) { g.passes++; return nil, nil }

func (g *fakeGate) ReadNames(dir string) error { g.read[dir] = true; return g.unreadable }

func (g *fakeGate) SetNetwork(cgroup uint64, n loader.Network) error { g.nets[cgroup] = n; return nil }

func (g *fakeGate) ForgetNetwork(cgroup uint64) error { delete(g.nets, cgroup); return nil }

func (g *fakeGate) Networks() (out []uint64, err error) {
	for id := range g.nets {
		out = append(out, id)
	}
	return out, nil
}

// restart is what the next agent finds.
func (g *fakeGate) restart() { clear(g.known) }

// fakeLedger notes what it is told.
type fakeLedger struct{ lines []string }

func (l *fakeLedger) Apply(name string, t *policy.Tables) error {
	l.lines = append(l.lines, fmt.Sprintf("apply %s %d", name, t.ID))
	return nil
}

func (l *fakeLedger) Bound(b *audit.Binding) error {
	verb := "bound"
	if b.Released {
		verb = "released"
	}
	l.lines = append(l.lines, fmt.Sprintf("%s %d %s %s", verb, b.CgroupID, b.Pod.Name, b.Pod.Container))
	return nil
}

// bench is a Reconciler with all that it works on.
type bench struct {
	t      *testing.T
	gate   *fakeGate
	ledger *fakeLedger
	r      *Reconciler
	below  map[string][]uint64
	want   *k8s.Desired
	dirs   []cgroup.Dir
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, gate: newFakeGate(), below: map[string][]uint64{}, want: &k8s.Desired{DenyAll: &policy.Tables{ID: 999}}}
	b.start()
	return b
}

func (b *bench) start() {
	b.ledger = &fakeLedger{}
	b.r = NewReconciler(b.gate, b.ledger, func(dir string) ([]uint64, error) { return b.below[dir], nil }, slog.New(slog.DiscardHandler))
	if err := b.r.Reserve(b.want); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) reconcile() {
	b.t.Helper()
	if err := b.r.Reconcile(b.want, b.dirs); err != nil {
		b.t.Fatal(err)
	}
}

// pod wants a pod by the tables with an id; 0: free.
func (b *bench) pod(name string, id uint64, containers ...string) {
	b.want.Pods = slices.DeleteFunc(b.want.Pods, func(p k8s.PodPolicy) bool { return p.Name == name })
	p := k8s.PodPolicy{Pod: &k8s.Pod{Name: name, CgroupUID: "uid-" + name}}
	for _, c := range containers {
		p.Containers = append(p.Containers, k8s.Container{Name: c, ID: name + "-" + c})
	}
	if id != 0 {
		p.Gate = &k8s.Gate{Enforced: enforced(id)}
	}
	b.want.Pods = append(b.want.Pods, p)
}

func enforced(id uint64) k8s.Enforced { return k8s.Enforced{Tables: &policy.Tables{ID: id}} }

func (b *bench) gateOf(name string) *k8s.Gate {
	for i := range b.want.Pods {
		if b.want.Pods[i].Name == name {
			return b.want.Pods[i].Gate
		}
	}
	return nil
}

// dir makes a cgroup of a pod, or of a container of it.
func (b *bench) dir(id uint64, pod, container string) {
	d := cgroup.Dir{ID: id, Path: fmt.Sprintf("/%d", id), Place: cgroup.Place{PodUID: "uid-" + pod}}
	if container != "" {
		d.ContainerID = pod + "-" + container
	}
	b.dirs = append(b.dirs, d)
}

// is checks what gates a cgroup: the id of its tables, 0 for none.
func (b *bench) is(cgroup uint64, want uint64) {
	b.t.Helper()
	bound, ok := b.gate.bindings[cgroup]
	var got uint64
	if ok && bound.Kind&loader.BindContainer != 0 {
		got = b.gate.slots[bound.Slot]
		if got == 0 {
			b.t.Errorf("cgroup %d is bound to an empty slot", cgroup)
		}
	}
	if got != want {
		b.t.Errorf("cgroup %d is gated by %d, not %d", cgroup, got, want)
	}
}

func (b *bench) gone(id uint64) {
	b.dirs = slices.DeleteFunc(b.dirs, func(d cgroup.Dir) bool { return d.ID == id })
	delete(b.gate.bindings, id)
}

func TestReconcile(t *testing.T) {
	b := newBench(t)
	b.pod("web", 1, "main", "proxy", "other")
	b.pod("free", 0)
	b.dir(9, "free", "")
	b.reconcile()
	if len(b.gate.slots) != 1 {
		t.Errorf("slots %v before there is a cgroup", b.gate.slots)
	}
	b.dir(10, "web", "")
	b.dir(11, "web", "main")
	b.dir(12, "web", "proxy")
	b.below["/11"] = []uint64{110, 111}
	b.gateOf("web").Containers = map[string]k8s.Enforced{"proxy": {Exempt: true}, "other": enforced(2)}
	b.reconcile()
	b.is(9, 0)
	b.is(10, 1)
	b.is(11, 1)
	b.is(110, 1)
	b.is(111, 1)
	if b.gate.bindings[12].Kind != loader.BindExempt {
		t.Errorf("the proxy is %+v", b.gate.bindings[12])
	}
	if b.gate.passes != 1 {
		t.Errorf("running tasks were looked for %d times", b.gate.passes)
	}
	if p, c := b.r.PodOf(111); p == nil || p.Name != "web" || c != "main" {
		t.Errorf("cgroup 111 is %v %q", p, c)
	}
	if p, _ := b.r.PodOf(77); p != nil {
		t.Errorf("cgroup 77 is %v", p)
	}
	want := []string{"apply deny-all 999", "apply / 1", "bound 10 web ", "bound 11 web main", "released 12 web proxy"}
	if d := cmp.Diff(want, b.ledger.lines); d != "" {
		t.Error(d)
	}
	b.dir(13, "web", "other")
	b.reconcile()
	b.is(13, 2)
	// Nothing changed: nothing is done.
	lines, passes := len(b.ledger.lines), b.gate.passes
	b.reconcile()
	if len(b.ledger.lines) != lines || b.gate.passes != passes {
		t.Errorf("done again: %q", b.ledger.lines[lines:])
	}
	// A new version is swapped where the tasks look.
	slot := b.gate.bindings[10].Slot
	b.gateOf("web").Enforced = enforced(3)
	b.reconcile()
	b.is(10, 3)
	b.is(11, 3)
	b.is(13, 2)
	if b.gate.bindings[10].Slot != slot {
		t.Error("the slot has changed: running tasks have the old one")
	}
	// A container that is made meanwhile inherited its pod's.
	b.gate.bindings[14] = loader.Binding{Cgroup: 14, Bound: 10, Kind: loader.BindContainer, Slot: slot}
	b.dir(14, "web", "late")
	passes = b.gate.passes
	b.reconcile()
	if b.gate.passes != passes {
		t.Error("it was bound again")
	}
}

// TestReconcileEnds: a slot is emptied when neither cgroup nor task is left, and
// only then.
func TestReconcileEnds(t *testing.T) {
	b := newBench(t)
	b.pod("web", 1)
	b.dir(10, "web", "")
	b.reconcile()
	slot := b.gate.bindings[10].Slot
	// The pod's object is gone, its cgroup is not: somebody has deleted it by force.
	b.want.Pods = nil
	b.reconcile()
	b.is(10, 1)
	b.gone(10)
	b.gate.armed[10] = []uint32{7}
	b.reconcile()
	if b.gate.slots[slot] != 1 {
		t.Error("a task has the slot still")
	}
	delete(b.gate.armed, 10)
	b.reconcile()
	if _, ok := b.gate.slots[slot]; ok {
		t.Error("nobody has the slot any more")
	}
	if l := b.ledger.lines; l[len(l)-1] != "released 10  " {
		t.Errorf("%q", l)
	}
	if p, _ := b.r.PodOf(10); p != nil {
		t.Error("what is gone is remembered")
	}
}

// TestReconcileFree: a pod that may be free is let go, its tasks are not.
func TestReconcileFree(t *testing.T) {
	b := newBench(t)
	b.pod("web", 1, "main")
	b.dir(10, "web", "")
	b.dir(11, "web", "main")
	b.below["/11"] = []uint64{110}
	b.reconcile()
	slot := b.gate.bindings[10].Slot
	b.pod("web", 0, "main")
	b.want.Pods[0].Pending = true
	b.reconcile()
	b.is(10, 1) // nobody knows yet
	b.want.Pods[0].Pending = false
	b.gate.armed[11] = []uint32{7}
	b.reconcile()
	b.is(10, 0)
	b.is(11, 0)
	b.is(110, 0)
	if b.gate.slots[slot] != 1 {
		t.Error("tasks are armed with the slot")
	}
	b.pod("web", 4, "main")
	b.reconcile()
	b.is(10, 4)
	if b.gate.bindings[10].Slot != slot {
		t.Error("its running tasks have another slot")
	}
}

// TestReconcileRestart: the next agent goes on with what it finds.
func TestReconcileRestart(t *testing.T) {
	b := newBench(t)
	b.pod("same", 1)
	b.pod("changed", 2)
	b.dir(10, "same", "")
	b.dir(20, "changed", "")
	b.reconcile()
	same, changed, reserve := b.gate.bindings[10].Slot, b.gate.bindings[20].Slot, uint32(1)
	b.gate.restart()
	b.pod("changed", 3)
	b.start()
	b.want.Remembered = true
	b.reconcile()
	b.is(10, 1)
	b.is(20, 3)
	if b.gate.bindings[10].Slot != same || b.gate.bindings[20].Slot != changed {
		t.Error("running tasks have other slots")
	}
	if b.gate.passes != 1 {
		t.Errorf("bound anew: %d", b.gate.passes)
	}
	if _, ok := b.gate.slots[reserve]; !ok {
		t.Error("a slot that was found is emptied before anybody knows all pods")
	}
	b.want.Remembered = false
	b.reconcile()
	if _, ok := b.gate.slots[reserve]; ok {
		t.Error("a slot that nobody has is kept")
	}
}

// TestReconcileNoRoom: who gets no slot is denied everything, also by an agent
// that comes later and has room.
func TestReconcileNoRoom(t *testing.T) {
	b := newBench(t)
	b.gate.room = 2
	b.pod("a", 1)
	b.dir(10, "a", "")
	b.reconcile()
	b.pod("b", 2)
	b.pod("c", 3)
	b.dir(20, "b", "")
	b.dir(30, "c", "")
	b.reconcile()
	b.is(10, 1)
	b.is(20, 999)
	b.is(30, 999)
	b.pod("b", 4)
	b.reconcile()
	b.is(20, 999)
	b.is(30, 999)

	reserve := b.gate.bindings[20].Slot
	b.gate.restart()
	b.gate.room = 512
	b.start()
	b.reconcile()
	b.is(10, 1)
	b.is(20, 4)
	b.is(30, 3)
	if got := b.gate.slots[reserve]; got == 4 || got == 3 {
		t.Errorf("tasks of two pods have the slot of %d", got)
	}
}

// TestReconcileAgain: what failed is done with the next call.
func TestReconcileAgain(t *testing.T) {
	b := newBench(t)
	b.pod("web", 1)
	b.pod("other", 2)
	b.dir(10, "web", "")
	b.dir(20, "other", "")
	b.gate.fail = errors.New("no memory")
	if err := b.r.Reconcile(b.want, b.dirs); err == nil || !strings.Contains(err.Error(), "no memory") {
		t.Errorf("%v", err)
	}
	if len(b.gate.bindings) != 1 {
		t.Errorf("one failure stopped the others: %v", b.gate.bindings)
	}
	b.reconcile()
	b.is(10, 1)
	b.is(20, 2)
}

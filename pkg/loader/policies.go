package loader

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Limits of bpf/types.h: slots, and places for tables by size class.
const (
	slots       = 512
	placesSmall = 576
	placesLarge = 72
)

// How many policies of a size class there may be. Places beyond are for the next
// version of a policy that is being replaced.
const (
	policiesSmall = slots
	policiesLarge = 64
)

// boundBits is BOUND_BITS of bpf/types.h.
const boundBits = 65536

// slot is a policy in the kernel.
type slot struct {
	tables *policy.Tables // nil: found in the kernel, see Adopt
	id     uint64
	rules  int
	large  bool
	place  *place // nil: tables that these programs cannot read
}

func newSlot(t *policy.Tables) *slot {
	return &slot{tables: t, id: t.ID, rules: len(t.Rules), large: largeTables(t)}
}

// place is where one version of a policy's tables is. Tables never change there,
// so a hook call that has read its slot's place once sees one version whole.
type place struct {
	outer  *ebpf.Map
	key    uint32 // in outer
	number uint32 // over both size classes
	counts *ebpf.Map
}

func largeTables(t *policy.Tables) bool { return t.SizeClass() > policy.SmallTable }

// BindingKind says at which exec a task in a bound cgroup is armed.
type BindingKind uint32

const (
	// BindContainer arms at the first exec whose root directory is not the
	// host's, so that the container runtime's own steps stay ungated.
	BindContainer BindingKind = 1
	// BindAny arms at the first exec.
	BindAny BindingKind = 2
	// BindNames is added where ReadNames is at or above the cgroup: without it no
	// resolver can be asked.
	BindNames BindingKind = 8
	// BindExempt keeps an ancestor's binding away.
	BindExempt BindingKind = 4
)

// InstallPolicy puts a policy into a free slot and returns the slot's number.
// Identical tables share no slot: the caller decides about sharing.
func (g *Gate) InstallPolicy(t *policy.Tables) (uint32, error) {
	if err := g.enforceable(t); err != nil {
		return 0, fmt.Errorf("install policy: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	fresh := newSlot(t)
	same, most := 0, policiesSmall
	if fresh.large {
		most = policiesLarge
	}
	for _, s := range g.slots {
		if s.large == fresh.large {
			same++
		}
	}
	if same >= most || len(g.slots) >= slots {
		return 0, fmt.Errorf("install policy: %w", ErrNoSlot)
	}
	// Round robin: a task that outlived its policy shall not meet the next one soon.
	n := g.last
	for g.slots[n] != nil {
		n = (n + 1) % slots
	}
	g.last = (n + 1) % slots
	var err error
	if fresh.place, err = g.write(fresh, t.Blob); err != nil {
		return 0, err
	}
	if err := g.point(n, fresh.place); err != nil {
		return 0, errors.Join(err, g.clear(fresh.place))
	}
	g.slots[n] = fresh
	return n, nil
}

// ReplacePolicy swaps the tables of a slot. Every task sees the old or the new
// policy whole; when the call returns the new one is in force.
func (g *Gate) ReplacePolicy(n uint32, t *policy.Tables) error {
	if err := g.enforceable(t); err != nil {
		return fmt.Errorf("replace policy: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.slots[n]
	if old == nil {
		return fmt.Errorf("replace policy: slot %d is empty", n)
	}
	fresh := newSlot(t)
	var err error
	if fresh.place, err = g.write(fresh, t.Blob); err != nil {
		return err
	}
	if err := g.point(n, fresh.place); err != nil {
		return errors.Join(err, g.clear(fresh.place))
	}
	g.slots[n] = fresh
	return errors.Join(g.clear(old.place), g.cut(n, t))
}

// write puts tables into a free place for them.
func (g *Gate) write(s *slot, tables []byte) (*place, error) {
	p := &place{outer: g.coll.Maps[safeclawMapPoliciesSmall]}
	first, n, size := uint32(0), uint32(placesSmall), policy.SmallTable
	if s.large {
		size = policy.LargeTable
		p.outer, first, n = g.coll.Maps[safeclawMapPoliciesLarge], placesSmall, placesLarge
	}
	taken := map[uint32]bool{}
	for _, s := range g.slots {
		if s.place != nil {
			taken[s.place.number] = true
		}
	}
	for taken[first+p.key] {
		p.key++
	}
	if p.key >= n {
		return nil, fmt.Errorf("install policy table: %w", ErrNoSlot)
	}
	p.number = first + p.key
	inner, err := ebpf.NewMap(&ebpf.MapSpec{Name: "policy", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: 1})
	if err != nil {
		return nil, fmt.Errorf("create policy table: %w", err)
	}
	defer inner.Close() // the outer map keeps it
	blob := make([]byte, size)
	copy(blob, tables)
	if err := inner.Put(uint32(0), blob); err != nil {
		return nil, fmt.Errorf("write policy table: %w", err)
	}
	p.counts, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "rule_counts", Type: ebpf.Array, KeySize: 4, ValueSize: 8,
		MaxEntries: uint32(s.rules), Flags: innerMap,
	})
	if err != nil {
		return nil, fmt.Errorf("create rule counters: %w", err)
	}
	if err := g.coll.Maps[safeclawMapRuleCounts].Put(p.number, p.counts); err != nil {
		return nil, errors.Join(fmt.Errorf("install rule counters: %w", err), p.counts.Close())
	}
	if err := p.outer.Put(p.key, inner); err != nil {
		return nil, errors.Join(fmt.Errorf("install policy table: %w", err), g.clear(p))
	}
	return p, nil
}

// point makes a place the slot's, for every hook call that begins after it
// returns, and waits until those that began before have ended.
func (g *Gate) point(n uint32, p *place) error {
	if err := g.coll.Maps[safeclawMapPlaces].Put(n, p.number+1); err != nil {
		return fmt.Errorf("swap policy: %w", err)
	}
	return g.wait()
}

// wait returns when every hook call that was under way has ended: updating an
// outer map waits for all readers (maybe_wait_bpf_programs of
// kernel/bpf/syscall.c), whatever is written.
func (g *Gate) wait() error {
	if err := g.coll.Maps[safeclawMapRuleCounts].Put(uint32(placesSmall+placesLarge), g.idle); err != nil {
		return fmt.Errorf("wait for hooks: %w", err)
	}
	return nil
}

// clear empties a place that no slot has any more.
func (g *Gate) clear(p *place) error {
	if p == nil {
		return nil
	}
	err := p.outer.Delete(p.key)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		err = nil
	}
	return errors.Join(err, g.coll.Maps[safeclawMapRuleCounts].Delete(p.number), p.counts.Close())
}

// innerMap is BPF_F_INNER_MAP (since 5.10): inner arrays may differ in length.
const innerMap = 0x1000

// Bind gates the tasks of a cgroup, named by its id (the inode number of its
// directory), by the policy of a slot. Child cgroups made later inherit it.
func (g *Gate) Bind(cgroup uint64, kind BindingKind, slot uint32) error {
	if err := g.coll.Maps[safeclawMapMaybeBound].Put(uint32(cgroup%boundBits), uint32(1)); err != nil {
		return fmt.Errorf("bind cgroup %d: %w", cgroup, err)
	}
	b := safeclawBinding{Flags: uint32(kind), Slot: slot, Cgroup: cgroup}
	if err := g.coll.Maps[safeclawMapBindings].Put(cgroup, b); err != nil {
		return fmt.Errorf("bind cgroup %d: %w", cgroup, err)
	}
	return nil
}

// Unbind ends the arming of tasks in a cgroup. Tasks that are armed stay armed.
func (g *Gate) Unbind(cgroup uint64) error {
	if err := g.coll.Maps[safeclawMapBindings].Delete(cgroup); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("unbind cgroup %d: %w", cgroup, err)
	}
	return nil
}

// Release empties a slot. Tasks still armed with it are denied everything.
func (g *Gate) Release(n uint32) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.slots[n]
	if s == nil {
		return nil
	}
	if err := g.coll.Maps[safeclawMapPlaces].Put(n, uint32(0)); err != nil {
		return fmt.Errorf("release policy: %w", err)
	}
	delete(g.slots, n)
	return errors.Join(g.wait(), g.clear(s.place))
}

// Tables returns what InstallPolicy or ReplacePolicy put into a slot, or nil.
func (g *Gate) Tables(n uint32) *policy.Tables {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.slots[n]; s != nil {
		return s.tables
	}
	return nil
}

// RuleCounts returns the decisions of a slot by rule number since its last swap.
func (g *Gate) RuleCounts(n uint32) ([]uint64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.slots[n]
	if s == nil || s.place == nil {
		return nil, fmt.Errorf("read rule counters: slot %d is empty: %w", n, os.ErrNotExist)
	}
	out := make([]uint64, s.place.counts.MaxEntries())
	for i := range out {
		if err := s.place.counts.Lookup(uint32(i), &out[i]); err != nil {
			return nil, fmt.Errorf("read rule counter %d: %w", i, err)
		}
	}
	return out, nil
}

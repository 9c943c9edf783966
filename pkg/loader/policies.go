package loader

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Slot limits, SLOTS_SMALL and SLOTS_LARGE of bpf/types.h.
const (
	slotsSmall = 448
	slotsLarge = 64
)

// boundBits is BOUND_BITS of bpf/types.h.
const boundBits = 65536

// slot is a policy in the kernel. counts stays readable after a swap.
type slot struct {
	tables *policy.Tables
	counts *ebpf.Map
}

func (s *slot) close() error { return s.counts.Close() }

// BindingKind says at which exec a task in a bound cgroup is armed.
type BindingKind uint32

const (
	// BindContainer arms at the first exec whose root directory is not the
	// host's, so that the container runtime's own steps stay ungated.
	BindContainer BindingKind = 1
	// BindAny arms at the first exec.
	BindAny BindingKind = 2
	// BindExempt keeps an ancestor's binding away.
	BindExempt BindingKind = 4
)

// InstallPolicy puts a policy into a free slot and returns the slot's number.
// Identical tables share no slot: the caller decides about sharing.
func (g *Gate) InstallPolicy(t *policy.Tables) (uint32, error) {
	if err := Enforceable(t); err != nil {
		return 0, fmt.Errorf("install policy: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	first, n, class := uint32(0), uint32(slotsSmall), 0
	if t.SizeClass() > 1<<18 {
		first, n, class = slotsSmall, slotsLarge, 1
	}
	// Round robin: a task that outlived its policy shall not meet the next one soon.
	for k := range n {
		i := first + (g.last[class]+k)%n
		if g.slots[i] == nil {
			g.last[class] = i - first + 1
			return i, g.write(i, t)
		}
	}
	return 0, fmt.Errorf("install policy: %w", ErrNoSlot)
}

// ReplacePolicy swaps the tables of a slot. Every task sees the old or the new
// policy whole; when the call returns the new one is in force.
func (g *Gate) ReplacePolicy(n uint32, t *policy.Tables) error {
	if err := Enforceable(t); err != nil {
		return fmt.Errorf("replace policy: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.slots[n]
	if old == nil {
		return fmt.Errorf("replace policy: slot %d is empty", n)
	}
	if (old.tables.SizeClass() > 1<<18) != (t.SizeClass() > 1<<18) {
		return fmt.Errorf("replace policy: slot %d is of another size class", n)
	}
	if err := g.write(n, t); err != nil {
		return err
	}
	return old.close()
}

func (g *Gate) write(n uint32, t *policy.Tables) error {
	outer, key := g.coll.Maps[safeclawMapPoliciesSmall], n
	if n >= slotsSmall {
		outer, key = g.coll.Maps[safeclawMapPoliciesLarge], n-slotsSmall
	}
	size := t.SizeClass()
	inner, err := ebpf.NewMap(&ebpf.MapSpec{Name: "policy", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: 1})
	if err != nil {
		return fmt.Errorf("create policy table: %w", err)
	}
	defer inner.Close() // the outer map keeps it
	blob := make([]byte, size)
	copy(blob, t.Blob)
	if err := inner.Put(uint32(0), blob); err != nil {
		return fmt.Errorf("write policy table: %w", err)
	}
	counts, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "rule_counts", Type: ebpf.Array, KeySize: 4, ValueSize: 8,
		MaxEntries: uint32(len(t.Rules)), Flags: innerMap,
	})
	if err != nil {
		return fmt.Errorf("create rule counters: %w", err)
	}
	if err := g.coll.Maps[safeclawMapRuleCounts].Put(n, counts); err != nil {
		return errors.Join(fmt.Errorf("install rule counters: %w", err), counts.Close())
	}
	if err := outer.Put(key, inner); err != nil {
		return errors.Join(fmt.Errorf("install policy table: %w", err), counts.Close())
	}
	g.slots[n] = &slot{tables: t, counts: counts}
	return nil
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
	outer, key := g.coll.Maps[safeclawMapPoliciesSmall], n
	if n >= slotsSmall {
		outer, key = g.coll.Maps[safeclawMapPoliciesLarge], n-slotsSmall
	}
	delete(g.slots, n)
	return errors.Join(outer.Delete(key), g.coll.Maps[safeclawMapRuleCounts].Delete(n), s.close())
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
	if s == nil {
		return nil, fmt.Errorf("read rule counters: slot %d is empty: %w", n, os.ErrNotExist)
	}
	out := make([]uint64, s.counts.MaxEntries())
	for i := range out {
		if err := s.counts.Lookup(uint32(i), &out[i]); err != nil {
			return nil, fmt.Errorf("read rule counter %d: %w", i, err)
		}
	}
	return out, nil
}

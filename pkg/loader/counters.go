package loader

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
)

// CPUStats are the kernel's own totals of one CPU since Load. At rest,
// Decisions = Counted + decisions emitted + decisions lost, and
// Seq = Emitted + Lost.
type CPUStats struct {
	CPU                      int
	Seq                      uint64 // last sequence number taken
	Decisions, Counted       uint64
	Emitted, Lost, LostShare uint64
	Denied                   uint64
	NoScratch, NoStorage     uint64
	NoRuleCount, BindLost    uint64
	GuardHeld                uint64 // touches of what is ours that were not recorded one by one: see Touch
	// Names and addresses that gave way to newer ones before their time, and those
	// that there was no room for: rules by name hold for them no longer, or never did.
	NamesForgotten, NamesUnlearned uint64
	Outward                        uint64 // signals, limits and schedulings of outside tasks that were refused
}

// Stats reads the counters of every CPU.
func (g *Gate) Stats() ([]CPUStats, error) { return readStats(g.coll.Maps[safeclawMapStats]) }

func readStats(m *ebpf.Map) ([]CPUStats, error) {
	var raw []safeclawCpuStats
	if err := m.Lookup(uint32(0), &raw); err != nil {
		return nil, fmt.Errorf("read counters: %w", err)
	}
	out := make([]CPUStats, len(raw))
	for i, r := range raw {
		out[i] = CPUStats{
			CPU: i, Seq: r.Seq, Decisions: r.Decisions, Counted: r.Counted, Emitted: r.Emitted, Lost: r.Lost,
			LostShare: r.LostShare, Denied: r.Denied, NoScratch: r.NoScratch, NoStorage: r.NoStorage,
			NoRuleCount: r.NoRuleCount, BindLost: r.BindLost, Outward: r.Outward, GuardHeld: r.GuardHeld,
			NamesForgotten: r.DnsEvicted, NamesUnlearned: r.DnsUnlearned,
		}
	}
	return out, nil
}

// Rest returns the counters of a gate that holds no policy, where the next use
// of it begins. What was recorded or counted before and never read is dropped.
func (g *Gate) Rest() ([]CPUStats, error) {
	g.mu.Lock()
	n := len(g.slots)
	g.mu.Unlock()
	if n > 0 {
		return nil, fmt.Errorf("a gate that enforces is not at rest: %d policies are installed", n)
	}
	if err := g.Drain(func(*Event) error { return nil }); err != nil {
		return nil, err
	}
	if _, err := g.DrainCounted(); err != nil {
		return nil, err
	}
	return g.Stats()
}

// Since returns what was added to counters after an earlier reading of them.
func Since(now, base []CPUStats) []CPUStats {
	out := slices.Clone(now)
	for i, b := range base {
		if i >= len(out) {
			break
		}
		s := &out[i]
		s.Seq -= b.Seq
		s.Decisions -= b.Decisions
		s.Counted -= b.Counted
		s.Emitted -= b.Emitted
		s.Lost -= b.Lost
		s.LostShare -= b.LostShare
		s.Denied -= b.Denied
		s.NoScratch -= b.NoScratch
		s.NoStorage -= b.NoStorage
		s.NoRuleCount -= b.NoRuleCount
		s.BindLost -= b.BindLost
		s.Outward -= b.Outward
		s.GuardHeld -= b.GuardHeld
		s.NamesForgotten -= b.NamesForgotten
		s.NamesUnlearned -= b.NamesUnlearned
	}
	return out
}

// Counted is one counted allow of an interval.
type Counted struct {
	Cgroup, ExeID, SubjectID uint64
	TableID                  uint64
	Rule                     uint16
	Slot                     uint32
	Action                   uint8
	Hook, Class              string
	Count                    uint64
	First, Last              time.Duration // since boot
}

// swapCounted puts an empty map in place and returns the old one, nil at first.
// The update waits until no program uses the old map any more, so nothing that
// it counts afterwards is lost.
func (g *Gate) swapCounted() (*ebpf.Map, error) {
	outer := g.coll.Maps[safeclawMapCounted]
	var old *ebpf.Map
	if err := outer.Lookup(uint32(0), &old); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, fmt.Errorf("find counted allows: %w", err)
	}
	fresh, err := ebpf.NewMap(g.countedSpec)
	if err != nil {
		return nil, fmt.Errorf("create map of counted allows: %w", err)
	}
	defer fresh.Close()
	if err := outer.Put(uint32(0), fresh); err != nil {
		return nil, fmt.Errorf("swap counted allows: %w", err)
	}
	return old, nil
}

// DrainCounted ends the interval: it swaps the map and returns its content.
func (g *Gate) DrainCounted() ([]Counted, error) {
	old, err := g.swapCounted()
	if err != nil || old == nil {
		return nil, err
	}
	defer old.Close()
	return readCounted(old)
}

func readCounted(m *ebpf.Map) ([]Counted, error) {
	var out []Counted
	var k safeclawCountedKey
	var v safeclawCountedValue
	it := m.Iterate()
	for it.Next(&k, &v) {
		out = append(out, Counted{
			Cgroup: k.Cgroup, ExeID: k.Exe, SubjectID: k.Subject, TableID: v.TableId, Rule: k.Rule, Slot: uint32(k.Slot),
			Action: k.Action, Hook: hookNames[safeclawHook(k.Hook)], Class: classNames[safeclawClass(k.Class)],
			Count: v.Count, First: time.Duration(v.First), Last: time.Duration(v.Last),
		})
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read counted allows: %w", err)
	}
	return out, nil
}

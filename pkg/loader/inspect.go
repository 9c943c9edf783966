package loader

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
)

// LoadID names this load of the programs for as long as the machine runs: the
// number of their ring's map, which the kernel gives to no other.
func (g *Gate) LoadID() (string, error) { return loadID(g.coll.Maps[safeclawMapEvents]) }

// LoadID is that of the set that was replaced.
func (p *Previous) LoadID() (string, error) { return loadID(p.events) }

func loadID(events *ebpf.Map) (string, error) {
	info, err := events.Info()
	if err != nil {
		return "", fmt.Errorf("identify the event ring: %w", err)
	}
	id, ok := info.ID()
	if !ok {
		return "", errors.New("identify the event ring: this kernel numbers no maps")
	}
	return fmt.Sprintf("ring-%d", id), nil
}

// ArmedTask is a task that is gated.
type ArmedTask struct {
	TID    uint32
	Cgroup uint64 // whose binding armed it
}

// Inspection is what a pinned set of programs is about, seen from outside.
type Inspection struct {
	Bindings []Binding
	Armed    []ArmedTask
	Stats    []CPUStats
}

// Inspect looks at the set in force below an instance's directory. It changes
// nothing, and needs not be the build that pinned it.
func Inspect(pinDir string) (*Inspection, error) {
	gens, err := generations(pinDir)
	if err != nil {
		return nil, err
	}
	if len(gens) == 0 {
		return nil, fmt.Errorf("%s: %w", pinDir, ErrNoPins)
	}
	gen := gens[len(gens)-1]
	in := &Inspection{}
	bindings, err := gen.openMap(safeclawMapBindings)
	if err != nil {
		return nil, err
	}
	defer bindings.Close()
	if in.Bindings, err = readBindings(bindings); err != nil {
		return nil, err
	}
	stats, err := gen.openMap(safeclawMapStats)
	if err != nil {
		return nil, err
	}
	defer stats.Close()
	if in.Stats, err = readStats(stats); err != nil {
		return nil, err
	}
	p, err := gen.openProgram(safeclawProgExportArmed)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	e, err := export(p)
	if err != nil {
		return nil, err
	}
	for t, r := range e.records {
		if r.Flags&flagArmed != 0 {
			in.Armed = append(in.Armed, ArmedTask{TID: t.tid, Cgroup: r.Cgroup})
		}
	}
	slices.SortFunc(in.Armed, func(a, b ArmedTask) int { return cmp.Compare(a.TID, b.TID) })
	return in, nil
}

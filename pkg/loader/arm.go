package loader

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// armPasses bounds how often ArmExisting looks for tasks that it has not seen.
const armPasses = 64

// ArmExisting arms the tasks that already run in bound cgroups and returns
// their thread ids. What they have open stays usable to them. A task may fork
// before the iterator comes to it, so it is done until nobody new is found. On
// error some task may run ungated.
func (g *Gate) ArmExisting() ([]uint32, error) {
	var all []uint32
	var failed int
	for range armPasses {
		tids, err := g.iterate(safeclawProgArmExisting)
		if err != nil {
			return all, err
		}
		found := len(tids)
		tids = slices.DeleteFunc(tids, func(tid uint32) bool { return tid == 0 })
		failed = found - len(tids)
		all = append(all, tids...)
		if found == 0 {
			return all, nil
		}
	}
	if failed > 0 {
		return all, fmt.Errorf("arm running tasks: no room for the records of %d of them", failed)
	}
	return all, fmt.Errorf("arm running tasks: still new ones after %d passes", armPasses)
}

// Armed returns the process ids of the tasks, one entry a task, that are armed
// by the binding of a cgroup, wherever they are now.
func (g *Gate) Armed(cgroup uint64) ([]uint32, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v, err := g.variable(safeclawVarSurvivorsOf)
	if err != nil {
		return nil, err
	}
	if err := v.Set(cgroup); err != nil {
		return nil, fmt.Errorf("ask for a cgroup's tasks: %w", err)
	}
	return g.iterate(safeclawProgListArmed)
}

// iterate runs a task iterator that writes numbers of tasks.
func (g *Gate) iterate(program string) ([]uint32, error) {
	b, err := runIterator(g.coll.Programs[program])
	if err != nil {
		return nil, err
	}
	tids := make([]uint32, len(b)/4)
	for i := range tids {
		tids[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return tids, nil
}

// runIterator returns what an iterator writes.
func runIterator(p *ebpf.Program) ([]byte, error) {
	it, err := link.AttachIter(link.IterOptions{Program: p})
	if err != nil {
		return nil, fmt.Errorf("attach task iterator: %w", err)
	}
	defer it.Close()
	r, err := it.Open()
	if err != nil {
		return nil, fmt.Errorf("open task iterator: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("run task iterator: %w", err)
	}
	return b, nil
}

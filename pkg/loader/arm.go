package loader

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cilium/ebpf/link"
)

// ArmExisting arms the tasks that already run in bound cgroups and returns
// their thread ids. What they have open stays usable to them.
func (g *Gate) ArmExisting() ([]uint32, error) {
	return g.iterate(safeclawProgArmExisting)
}

// Armed returns the process ids of the tasks, one entry a task, that are armed
// by the binding of a cgroup, wherever they are now.
func (g *Gate) Armed(cgroup uint64) ([]uint32, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.coll.Variables[safeclawVarSurvivorsOf].Set(cgroup); err != nil {
		return nil, fmt.Errorf("ask for a cgroup's tasks: %w", err)
	}
	return g.iterate(safeclawProgListArmed)
}

func (g *Gate) iterate(program string) ([]uint32, error) {
	it, err := link.AttachIter(link.IterOptions{Program: g.coll.Programs[program]})
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
	tids := make([]uint32, len(b)/4)
	for i := range tids {
		tids[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return tids, nil
}

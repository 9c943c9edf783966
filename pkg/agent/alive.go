package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// aliveBy returns what an agent does at each heartbeat, and before it binds
// anything: it tells the kernel that it is alive, and records what was done to
// the off switch.
// The kernel forgets a change when its record is durable.
func aliveBy(g *loader.Gate, rec *Recorder, log *audit.Log) func() error {
	record := func(s loader.Switch) error {
		if err := rec.Switch(s); err != nil {
			return err
		}
		if err := log.Flush(context.Background()); err != nil {
			return fmt.Errorf("write audit log: %w", err)
		}
		return nil
	}
	return func() error {
		if err := g.Beat(); err != nil {
			return err
		}
		err := g.Control().Switches(record)
		if errors.Is(err, audit.ErrQueueFull) {
			return nil // it waits in the kernel
		}
		return err
	}
}

// Switch records a change of the off switch.
func (r *Recorder) Switch(s loader.Switch) error {
	err := r.log.Append(&audit.OffSwitch{
		On: s.Until == 0, At: uint64(s.When), CgroupID: s.Cgroup, Until: uint64(s.Until),
		Expired: s.Expired, UID: s.UID, PID: s.PID, Comm: []byte(s.Comm), Reason: s.Reason,
	})
	if err != nil {
		return fmt.Errorf("append change of the off switch: %w", err)
	}
	return nil
}

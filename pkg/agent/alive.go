package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// switchWait is how long the reader of the ring waits for the disk when somebody
// used the off switch.
const switchWait = 100 * time.Millisecond

// aliveBy returns what an agent does at each heartbeat, and before it binds
// anything: it tells the kernel that it is alive, and records what was done to
// the off switch.
// The kernel forgets a change when its record is durable.
func aliveBy(g *loader.Gate, rec *Recorder, log *audit.Log) func() error {
	written := map[time.Duration]bool{} // appended by the time of the change, not durable yet
	record := func(s loader.Switch) error {
		if !written[s.When] {
			if err := rec.Switch(s); err != nil {
				return err
			}
			written[s.When] = true
		}
		ctx, cancel := context.WithTimeout(context.Background(), switchWait)
		defer cancel()
		if err := log.Flush(ctx); err != nil {
			return fmt.Errorf("write audit log: %w", err)
		}
		delete(written, s.When)
		return nil
	}
	return func() error {
		if err := g.Beat(); err != nil {
			return err
		}
		err := g.Control().Switches(record)
		if errors.Is(err, audit.ErrQueueFull) || errors.Is(err, context.DeadlineExceeded) {
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

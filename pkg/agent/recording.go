package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// tick is how often counters are read and counted allows are written.
const tick = 5 * time.Second

// crowdedPoll is how often a reader that holds looks at the log.
const crowdedPoll = 5 * time.Millisecond

// kernel is what a recording reads: the loaded programs.
type kernel interface {
	Events(context.Context, func(*loader.Event) error) error
	Drain(func(*loader.Event) error) error
	Stats() ([]loader.CPUStats, error)
	DrainCounted() ([]loader.Counted, error)
}

// recording takes what the kernel says into a log. It is used by one goroutine
// at a time.
type recording struct {
	kernel kernel
	log    *audit.Log
	rec    *Recorder
	prev   []loader.CPUStats // read one heartbeat ago
	counts countedBalance
	// beat, if set, is called at the beginning and with each heartbeat: see aliveBy.
	beat func() error
}

// read is the ring's only reader. Between records it keeps the counters going.
func (r *recording) read(ctx context.Context) error {
	if r.beat != nil {
		if err := r.beat(); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		beat, cancel := context.WithTimeout(ctx, tick)
		err := r.kernel.Events(beat, r.rec.Event)
		if errors.Is(err, errCrowded) {
			err = r.hold(beat)
		}
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return err
		}
		if ctx.Err() == nil {
			if err := r.heartbeat(); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold leaves the ring alone until the log has room again, or the next heartbeat
// is due.
func (r *recording) hold(beat context.Context) error {
	for r.log.Crowded() {
		select {
		case <-beat.Done():
			return beat.Err()
		case <-time.After(crowdedPoll):
		}
	}
	return nil
}

// heartbeat writes counters and counted allows. A number missing from before
// the heartbeat before this one is lost: whoever took it has long returned.
func (r *recording) heartbeat() error {
	if r.beat != nil {
		if err := r.beat(); err != nil {
			return err
		}
	}
	stats, err := r.kernel.Stats()
	if err != nil {
		return err
	}
	if err := r.takeCounted(); err != nil {
		return err
	}
	if err := r.rec.Counters(r.prev); err != nil {
		return err
	}
	r.prev = stats
	if err := r.log.Append(&audit.Heartbeat{CPUs: auditCounters(stats)}); err != nil && !errors.Is(err, audit.ErrQueueFull) {
		return fmt.Errorf("append heartbeat: %w", err)
	}
	return nil
}

// takeCounted moves the kernel's counted allows into the log. It does not wait for
// the disk; what the log has no room for is declared lost.
func (r *recording) takeCounted() error {
	counted, err := r.kernel.DrainCounted()
	if err != nil {
		return err
	}
	r.counts.add(counted)
	return r.rec.Counted(counted)
}

// balance accounts for every decision, and returns the counters. No gated task
// may be left by now.
func (r *recording) balance(ctx context.Context) ([]loader.CPUStats, error) {
	stats, err := r.kernel.Stats()
	if err != nil {
		return nil, err
	}
	// No task is left that could be denied: the ring is emptied in any case.
	if err := r.kernel.Drain(r.rec.eventAnyway); err != nil {
		return stats, err
	}
	if err := r.takeCounted(); err != nil {
		return stats, err
	}
	if err := r.rec.Counters(stats); err != nil {
		return stats, err
	}
	if n := r.counts.rest(stats); n > 0 {
		return stats, r.rec.countsLost(n)
	}
	return stats, nil
}

// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Published is a signed checkpoint of what is durable.
type Published struct {
	Checkpoint
	Note []byte // the signed note, as it stands in the log
}

// Shipper takes checkpoints to an anchor: a place off the node, or at least
// outside the log's directory, that is told how far the log goes.
type Shipper interface {
	// Name is what records call the anchor.
	Name() string
	// Ship hands a checkpoint over. When it returns nil the anchor has it for good.
	// Ship is called by one goroutine; it may miss checkpoints that newer ones
	// have overtaken.
	Ship(ctx context.Context, p *Published) error
}

// Slow is a Shipper that takes checkpoints only so often, and the last one.
type Slow interface {
	Shipper
	Every() time.Duration
}

const (
	shipTimeout = 10 * time.Second
	// How long a closing log waits for its anchors.
	shipLast = 2 * time.Second
	// The file head is at most this old, while the log is open.
	headInterval = time.Second
	// A log says again that an anchor lags after this.
	lagInterval = time.Minute
)

// publisher keeps the newest checkpoint in the file head and ships it. The
// committer never waits for it.
type publisher struct {
	log    *Log
	places []*mailbox
	wait   sync.WaitGroup
}

// mailbox is one place that checkpoints go to; only the newest waits.
type mailbox struct {
	mu     sync.Mutex
	next   *Published
	made   time.Time
	closed bool
	wake   chan struct{}
	quit   chan struct{}
	every  time.Duration // at most
	ship   func(ctx context.Context, p *Published, made time.Time)
}

func newPublisher(l *Log) *publisher {
	p := &publisher{log: l}
	p.add(p.head, headInterval)
	for _, a := range l.opts.Anchors {
		s := &shipping{log: l, anchor: a}
		every := time.Duration(0)
		if slow, ok := a.(Slow); ok {
			every = slow.Every()
		}
		p.add(s.ship, every)
	}
	return p
}

func (p *publisher) add(ship func(context.Context, *Published, time.Time), every time.Duration) {
	at := &mailbox{wake: make(chan struct{}, 1), quit: make(chan struct{}), every: every, ship: ship}
	p.places = append(p.places, at)
	p.wait.Go(at.run)
}

// publish hands a checkpoint to all places.
func (p *publisher) publish(c *Published) {
	for _, at := range p.places {
		at.mu.Lock()
		at.next, at.made = c, p.log.opts.Machine.Now()
		at.mu.Unlock()
		at.signal()
	}
}

// stop waits until the last checkpoint is where it belongs, or could not get
// there.
func (p *publisher) stop() {
	for _, at := range p.places {
		at.mu.Lock()
		at.closed = true
		at.mu.Unlock()
		close(at.quit)
		at.signal()
	}
	p.wait.Wait()
}

func (at *mailbox) signal() {
	select {
	case at.wake <- struct{}{}:
	default:
	}
}

func (at *mailbox) run() {
	for range at.wake {
		at.mu.Lock()
		c, made, closed := at.next, at.made, at.closed
		at.next = nil
		at.mu.Unlock()
		if c != nil {
			limit := shipTimeout
			if closed {
				limit = shipLast
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			at.ship(ctx, c, made)
			cancel()
		}
		if closed {
			return
		}
		at.rest()
	}
}

// rest waits until the next checkpoint may go.
func (at *mailbox) rest() {
	if at.every == 0 {
		return
	}
	timer := time.NewTimer(at.every)
	defer timer.Stop()
	select {
	case <-at.quit:
	case <-timer.C:
	}
}

// head writes the checkpoint beside the segments: what this machine knows of how
// far its log went.
func (p *publisher) head(_ context.Context, c *Published, _ time.Time) {
	if err := replaceFile(p.log.opts.FS, p.log.dir.path, headName, c.Note); err != nil {
		p.log.opts.Logger.Warn("audit log: write head", "error", err)
	}
}

// shipping is to one anchor.
type shipping struct {
	log    *Log
	anchor Shipper
	has    uint64 // what the anchor has
	lagged time.Time
}

func (s *shipping) ship(ctx context.Context, c *Published, made time.Time) {
	err := s.anchor.Ship(ctx, c)
	now := s.log.opts.Machine.Now()
	var rec Record
	if err == nil {
		s.has, s.lagged = c.Size, time.Time{}
		s.log.acknowledged(c.Size)
		rec = &shipped{Anchor: s.anchor.Name(), Size: c.Size, Delay: int64(now.Sub(made))}
	} else {
		s.log.opts.Logger.Warn("audit log: ship checkpoint", "anchor", s.anchor.Name(), "size", c.Size, "error", err)
		if !s.lagged.IsZero() && now.Sub(s.lagged) < lagInterval {
			return
		}
		s.lagged = now
		rec = &shipLagging{Anchor: s.anchor.Name(), Size: s.has, Reason: err.Error()}
	}
	if err := s.log.Append(rec); err != nil && !errors.Is(err, ErrClosed) {
		s.log.opts.Logger.Warn("audit log: record what an anchor has", "error", err)
	}
}

// acknowledged takes note of what some anchor has.
func (l *Log) acknowledged(size uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked = max(l.acked, size)
}

// shipped says that an anchor has a checkpoint.
type shipped struct {
	Anchor string
	Size   uint64
	Delay  int64
}

func (*shipped) Kind() string   { return KindShipAcked }
func (*shipped) critical() bool { return false }

func (s *shipped) appendFields(e *encoder) {
	text(e, "anchor", s.Anchor, true)
	e.uint("size", s.Size)
	e.int("delay", s.Delay)
}

// shipLagging says that an anchor does not take checkpoints.
type shipLagging struct {
	Anchor string
	Size   uint64
	Reason string
}

func (*shipLagging) Kind() string   { return KindShipLagging }
func (*shipLagging) critical() bool { return true }

func (s *shipLagging) appendFields(e *encoder) {
	text(e, "anchor", s.Anchor, true)
	e.uint("size", s.Size)
	text(e, "reason", s.Reason, true)
}

// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// Log is an open audit log. Its methods may be called from any goroutine.
type Log struct {
	opts   Options
	origin string
	lock   io.Closer
	out    *appender // the committer's alone
	found  Standing
	born   bool

	base time.Time // with boot: how boottime follows from the wall clock's monotonic part
	boot time.Duration

	wake chan struct{} // capacity 1: the committer has reason to look
	done chan struct{} // closed when the committer has ended

	mu       sync.Mutex
	enc      encoder
	pend     batch // appended, not yet taken by the committer
	spare    batch // the batch the committer used last, to be filled next
	taken    batch // header of the committer's batch: only its sizes are read
	appended uint64
	durable  uint64
	refused  uint64
	urgent   bool // commit without delay
	closing  bool
	err      error
	waiters  []waiter
}

// batch is encoded bodies back to back.
type batch struct {
	buf     []byte
	entries []entry
	first   time.Time // when its oldest record was appended
}

type entry struct {
	stamp
	end int // of the body in buf
}

type waiter struct {
	upTo uint64 // records appended since Open
	done chan error
}

// Stats are a log's counters since [Open]. Appended - Durable records are
// queued.
type Stats struct {
	Appended uint64 // records taken by Append
	Durable  uint64 // of those, on the disk behind a commit record
	Refused  uint64 // records refused with ErrQueueFull
}

// Origin names the log: "<cluster>/<node uid>/<incarnation>".
func (l *Log) Origin() string { return l.origin }

// Append queues a record. It encodes the record before it returns, so the
// caller may reuse it, and never waits for the disk. A record that is too long
// for one line is written as several.
//
// Errors: [ErrQueueFull] and [ErrRecordTooLarge] concern this record only;
// [ErrClosed] and *[FailedError] are final.
func (l *Log) Append(rec Record) error {
	now := l.opts.Machine.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if l.full() {
		l.refused++
		return ErrQueueFull
	}
	return l.enqueue(rec, now)
}

func (l *Log) usable() error {
	if l.err != nil {
		return l.err
	}
	if l.closing {
		return ErrClosed
	}
	return nil
}

// full is called with mu held.
func (l *Log) full() bool {
	return len(l.pend.entries)+len(l.taken.entries) >= l.opts.QueueRecords ||
		len(l.pend.buf)+len(l.taken.buf) >= l.opts.QueueBytes
}

// enqueue is called with mu held. The parts of a record too long for one line
// are queued together, even if they pass the queue's bound.
func (l *Log) enqueue(rec Record, now time.Time) error {
	if s, ok := rec.(splitter); ok {
		if parts := s.split(); parts != nil {
			for _, part := range parts {
				if err := l.enqueueOne(part, now); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return l.enqueueOne(rec, now)
}

func (l *Log) enqueueOne(rec Record, now time.Time) error {
	p := &l.pend
	l.enc.b = p.buf
	err := l.enc.body(rec)
	p.buf = l.enc.b
	if err != nil {
		return err
	}
	mono := l.boot + now.Sub(l.base)
	p.entries = append(p.entries, entry{stamp{now.UnixNano(), int64(mono)}, len(p.buf)})
	l.appended++
	first := len(p.entries) == 1
	if first {
		p.first = now
	}
	ready := !l.urgent && (rec.critical() || len(p.entries) >= readyRecords || len(p.buf) >= readyBytes)
	if ready {
		l.urgent = true
	}
	if first || ready {
		l.signal()
	}
	return nil
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Flush waits until everything appended before the call is durable. An error
// other than ctx's is final, see [FailedError].
func (l *Log) Flush(ctx context.Context) error {
	l.mu.Lock()
	if l.err != nil || l.durable == l.appended {
		defer l.mu.Unlock()
		return l.err
	}
	w := waiter{l.appended, make(chan error, 1)}
	l.waiters = append(l.waiters, w)
	l.urgent = true
	l.signal()
	l.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close appends the last records given, normally an [AgentStop], makes
// everything durable and lets go of the directory. No record of anybody else
// comes after or between the last ones. Even if ctx ends first the log is closed
// for appending. A second Close returns ErrClosed.
func (l *Log) Close(ctx context.Context, last ...Record) error {
	var err error
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return ErrClosed
	}
	for _, rec := range last {
		if l.err == nil {
			err = errors.Join(err, l.enqueue(rec, l.opts.Machine.Now()))
		}
	}
	l.closing, l.urgent = true, true
	l.signal()
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	return err
}

// Stats returns the log's counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{l.appended, l.durable, l.refused}
}

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
	opts  Options
	boot  string
	lock  io.Closer
	found Standing
	born  bool
	limit retention

	// These are the committer's alone.
	dir         *directory
	out         *appender
	acct        accountant
	own         []Record  // of the log itself, to come before what is appended next
	pointed     time.Time // when the last checkpoint was made
	pointedMono int64     // the same, boottime
	uncovered   coverage  // what has become durable since
	chores      time.Time // when retention looked last
	clock       clockWatch
	diskFull    bool // since the last chores

	wake  chan struct{} // capacity 1: the committer has reason to look
	quit  chan struct{} // closed when the log is being closed
	done  chan struct{} // closed when the committer has ended
	ended chan struct{} // closed when everything has ended
	point *publisher
	packs *packer

	mu       sync.Mutex
	base     time.Time     // with uptime: how boottime follows
	uptime   time.Duration // from the wall clock's monotonic part
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
	failing  error // the writer cannot write at present
	waiters  []waiter
	acked    uint64     // what some anchor has
	shelf    []*shelved // segments before the one that is written
	// lastBegan is when the one that is written began.
	lastBegan time.Time
}

// coverage says what is durable and in no checkpoint yet.
type coverage struct{ some, critical bool }

// batch is encoded bodies back to back.
type batch struct {
	buf      []byte
	entries  []entry
	first    time.Time // when its oldest record was appended
	critical bool
}

type entry struct {
	stamp
	end  int // of the body in buf
	cpu  uint32
	what what
	kseq uint64
}

// what the log itself wants to know of a record.
type what uint8

const (
	other     what = iota
	numbered       // has a kernel sequence number
	accounted      // the balance wants to read it
	quiet          // asks for no checkpoint
)

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
	// Failing is why the log cannot write at present; it goes on trying.
	Failing error
}

// Origin names the log: "<cluster>/<node uid>/<incarnation>".
func (l *Log) Origin() string { return l.dir.origin }

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
	if l.full(rec) {
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

// full says that there is no room for a record. Records about the log and the
// agent, which say what else was lost, may use a sixteenth more. It is called
// with mu held.
func (l *Log) full(rec Record) bool {
	records, bytes := l.opts.QueueRecords, l.opts.QueueBytes
	switch rec.(type) {
	case *Decision, *Counted, *Guard:
	default:
		records += records/16 + 1
		bytes += bytes / 16
	}
	return len(l.pend.entries)+len(l.taken.entries) >= records || len(l.pend.buf)+len(l.taken.buf) >= bytes
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
	e := entry{stamp: stamp{now.UnixNano(), int64(l.uptime + now.Sub(l.base))}, end: len(p.buf)}
	e.note(rec)
	p.entries = append(p.entries, e)
	l.appended++
	p.critical = p.critical || rec.critical()
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

// note takes down what the log itself wants to know of a record.
func (e *entry) note(rec Record) {
	switch r := rec.(type) {
	case *Decision:
		e.what, e.cpu, e.kseq = numbered, r.CPU, r.KSeq
	case *Guard:
		e.what, e.cpu, e.kseq = numbered, r.CPU, r.KSeq
	case *Counted, *Loss, *AgentStart, *AgentStop, *Heartbeat:
		e.what = accounted
	case *shipped:
		e.what = quiet
	}
}

// Crowded says that less than an eighth of the queue is free.
func (l *Log) Crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pend.entries)+len(l.taken.entries) >= l.opts.QueueRecords/8*7 || len(l.pend.buf)+len(l.taken.buf) >= l.opts.QueueBytes/8*7
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
	// What the committer has taken needs no hurry, and what is appended next none for it.
	if len(l.pend.entries) > 0 {
		l.urgent = true
		l.signal()
	}
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
	close(l.quit)
	l.signal()
	l.mu.Unlock()
	select {
	case <-l.ended:
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
	return Stats{l.appended, l.durable, l.refused, l.failing}
}

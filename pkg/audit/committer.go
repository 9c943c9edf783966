// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"slices"
	"time"
)

// start sets the log to work.
func (l *Log) start() {
	l.limit = l.opts.retention(l.opts.FS, l.dir.path)
	l.quit, l.ended = make(chan struct{}), make(chan struct{})
	l.lastBegan = time.Unix(0, l.out.began)
	l.clock = clockWatch{step: l.record}
	l.point = newPublisher(l)
	l.packs = newPacker(l)
	go l.run()
}

// run is the committer: it takes whatever was appended during the last sync,
// writes it, and makes it durable. It ends when the log is closed, or has failed
// for good.
func (l *Log) run() {
	defer close(l.ended)
	defer l.release()
	defer close(l.done)
	for {
		b, more := l.take()
		if !more {
			return
		}
		err := l.write(b)
		if err == nil {
			err = l.chore()
		}
		if err != nil {
			l.fail(err)
			return
		}
	}
}

// take waits until there is something to commit now, be it only a checkpoint. It
// returns false when the log is closed and everything is written.
func (l *Log) take() (batch, bool) {
	for {
		l.mu.Lock()
		n := len(l.pend.entries)
		if n > 0 && (l.urgent || l.closing) {
			break
		}
		if l.closing {
			if l.uncovered.some || len(l.own) > 0 {
				break // the last checkpoint
			}
			l.mu.Unlock()
			return batch{}, false
		}
		left := l.idle(n)
		if left <= 0 {
			break
		}
		l.mu.Unlock()
		timer := time.NewTimer(left)
		select {
		case <-l.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	defer l.mu.Unlock()
	b := l.pend
	l.pend, l.spare = batch{buf: l.spare.buf[:0], entries: l.spare.entries[:0]}, batch{}
	l.taken = b
	l.urgent = false
	return b, true
}

// idle is how long the committer, with n records waiting, has nothing to do. It
// is called with mu held.
func (l *Log) idle(n int) time.Duration {
	now := l.opts.Machine.Now()
	left := choreInterval - now.Sub(l.chores)
	if n > 0 {
		left = min(left, l.opts.Delay-now.Sub(l.pend.first))
	}
	if len(l.own) > 0 {
		left = min(left, l.opts.Delay)
	}
	if l.uncovered.some {
		left = min(left, l.pointDue(l.uncovered.critical)-now.Sub(l.pointed))
	}
	return left
}

// pointDue is how long after a checkpoint the next one is due.
func (*Log) pointDue(critical bool) time.Duration {
	if critical {
		return pointDelayCritical
	}
	return pointDelay
}

// write commits a batch in as many commits as it needs. When the disk fails it
// goes on in another segment.
func (l *Log) write(b batch) error {
	for done := 0; ; {
		n, err := l.group(b, done)
		if err != nil {
			if err := l.goOnWithRoom(err); err != nil {
				return err
			}
			continue
		}
		l.acknowledge(n)
		done += n
		if err := l.rotate(); err != nil {
			return err
		}
		if done == len(b.entries) {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken, l.spare = batch{}, b
	return nil
}

// group commits the records of a batch from one on, as many as one commit may
// cover, and returns how many.
func (l *Log) group(b batch, from int) (n int, err error) {
	now := l.opts.Machine.Now()
	s := l.stamp(now)
	l.clock.look(s)
	for _, rec := range l.own {
		if err := l.out.record(s, rec); err != nil {
			l.opts.Logger.Error("audit log: record of its own", "kind", rec.Kind(), "error", err)
		}
	}
	begin, cover := 0, l.uncovered
	if from > 0 {
		begin = b.entries[from-1].end
	}
	for _, e := range b.entries[from:] {
		if n+len(l.own)+1 >= maxBatch || l.out.full() {
			break
		}
		l.out.add(e.stamp, b.buf[begin:e.end])
		begin = e.end
		cover.some = cover.some || e.what != quiet
		n++
	}
	cover.critical = cover.critical || b.critical
	var p *Published
	if cover.some && (now.Sub(l.pointed) >= l.pointDue(cover.critical) || s.mono-l.pointedMono >= int64(l.pointDue(cover.critical)) || l.ending()) {
		if p, err = l.out.checkpoint(s); err != nil {
			return 0, err
		}
	}
	if n == 0 && len(l.own) == 0 && p == nil {
		return 0, nil // woken for chores only
	}
	if err := l.out.commit(s); err != nil {
		return 0, err
	}
	l.own, l.uncovered = nil, cover
	l.out.worth = l.out.worth || cover.some
	if p != nil {
		l.published(p, now)
		l.pointedMono = s.mono // goes on while the machine sleeps, which the other clock does not
	}
	l.account(b, from, n)
	return n, nil
}

// ending says whether the log is being closed.
func (l *Log) ending() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing
}

// published hands a durable checkpoint on.
func (l *Log) published(p *Published, now time.Time) {
	l.pointed, l.uncovered = now, coverage{}
	l.point.publish(p)
}

// account takes durable records into the balance.
func (l *Log) account(b batch, from, n int) {
	l.acct.enter(l.boot)
	for i := from; i < from+n; i++ {
		switch e := &b.entries[i]; e.what {
		case numbered:
			l.acct.decision(e.cpu, e.kseq)
		case accounted:
			begin := 0
			if i > 0 {
				begin = b.entries[i-1].end
			}
			l.accountBody(b.buf[begin:e.end])
		}
	}
}

// accountBody reads a record again, as a verifier does.
func (l *Log) accountBody(body []byte) {
	var r parsed
	if _, err := scanMembers(body, 0, 0, r.member); err != nil {
		l.opts.Logger.Error("audit record cannot be read back", "error", err)
		return
	}
	if err := l.acct.record(l.boot, &r); err != nil {
		l.opts.Logger.Error("audit record cannot be accounted for", "error", err)
	}
}

// record has the log itself say something with its next commit.
func (l *Log) record(rec Record) { l.own = append(l.own, rec) }

// stamp reads the clocks, and ties them together anew: boottime goes on while a
// machine is suspended, the clock that Append uses does not.
func (l *Log) stamp(now time.Time) stamp {
	up := l.opts.Machine.Boottime()
	l.mu.Lock()
	l.base, l.uptime = now, up
	l.mu.Unlock()
	return stamp{now.UnixNano(), int64(up)}
}

// acknowledge counts n more records as durable and wakes who waits for them.
func (l *Log) acknowledge(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable += uint64(n)
	l.waiters = slices.DeleteFunc(l.waiters, func(w waiter) bool {
		if w.upTo > l.durable {
			return false
		}
		w.done <- nil
		return true
	})
}

func (l *Log) fail(err error) {
	l.opts.Logger.Error("audit log failed", "origin", l.dir.origin, "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	for _, w := range l.waiters {
		w.done <- err
	}
	l.waiters = nil
	l.pend, l.spare, l.taken = batch{}, batch{}, batch{}
}

// release ends what works beside the committer, and gives the segment and the
// directory back.
func (l *Log) release() {
	l.packs.stop()
	l.point.stop()
	if err := errors.Join(l.out.file.Close(), l.lock.Close()); err != nil {
		l.opts.Logger.Warn("close audit log", "origin", l.dir.origin, "error", err)
	}
}

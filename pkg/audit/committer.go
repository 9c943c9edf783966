// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"slices"
	"time"
)

// run is the committer: it takes whatever was appended during the last sync,
// writes it, and makes it durable. It ends when the log is closed or has failed.
func (l *Log) run() {
	defer close(l.done)
	defer l.release()
	for {
		b, more := l.take()
		if !more {
			return
		}
		if err := l.write(b); err != nil {
			l.fail(err)
			return
		}
	}
}

// take waits until there is something to commit now. It returns false when the
// log is closed and everything is written.
func (l *Log) take() (batch, bool) {
	for {
		l.mu.Lock()
		n := len(l.pend.entries)
		if n > 0 && (l.urgent || l.closing) {
			break
		}
		if l.closing {
			l.mu.Unlock()
			return batch{}, false
		}
		var timer <-chan time.Time
		if n > 0 {
			left := l.opts.Delay - l.opts.Machine.Now().Sub(l.pend.first)
			if left <= 0 {
				break
			}
			timer = time.After(left)
		}
		l.mu.Unlock()
		select {
		case <-l.wake:
		case <-timer:
		}
	}
	defer l.mu.Unlock()
	b := l.pend
	l.pend, l.spare = batch{buf: l.spare.buf[:0], entries: l.spare.entries[:0]}, batch{}
	l.taken = b
	l.urgent = false
	return b, true
}

// write commits a batch in as many commits as it needs.
func (l *Log) write(b batch) error {
	from, count := 0, 0
	for i, e := range b.entries {
		l.out.add(e.stamp, b.buf[from:e.end])
		from = e.end
		count++
		if count == maxBatch || l.out.full() || i == len(b.entries)-1 {
			if err := l.out.commit(l.stamp()); err != nil {
				return err
			}
			l.acknowledge(count)
			count = 0
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken, l.spare = batch{}, b
	return nil
}

// stamp reads the clocks, and ties them together anew: boottime goes on while a
// machine is suspended, the clock that Append uses does not.
func (l *Log) stamp() stamp {
	now, boot := l.opts.Machine.Now(), l.opts.Machine.Boottime()
	l.mu.Lock()
	l.base, l.boot = now, boot
	l.mu.Unlock()
	return stamp{now.UnixNano(), int64(boot)}
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
	l.opts.Logger.Error("audit log failed", "origin", l.origin, "error", err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	for _, w := range l.waiters {
		w.done <- err
	}
	l.waiters = nil
	l.pend, l.spare, l.taken = batch{}, batch{}, batch{}
}

// release gives the segment and the directory back.
func (l *Log) release() {
	if err := errors.Join(l.out.file.Close(), l.lock.Close()); err != nil {
		l.opts.Logger.Warn("close audit log", "origin", l.origin, "error", err)
	}
}

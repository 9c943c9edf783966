// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"time"
)

// rotate seals the segment when it is long or old enough, and begins the next.
func (l *Log) rotate() error {
	reason := ""
	now := l.opts.Machine.Now()
	switch age := time.Duration(now.UnixNano() - l.out.began); {
	case l.out.size >= l.limit.segment:
		reason = "size"
	case l.out.worth && age >= l.opts.SegmentAge:
		reason = "age"
	default:
		return nil
	}
	p, err := l.out.seal(l.dir.stamp(), reason)
	if err != nil {
		return l.goOnWithRoom(err)
	}
	l.published(p, now)
	if err := l.follow(nil); err != nil {
		return l.goOnWithRoom(err)
	}
	return nil
}

// follow begins the segment after the one that is written.
func (l *Log) follow(problem error) error {
	old := l.out
	next, err := l.dir.next(old, problem, l.acct.snapshot())
	if err != nil {
		return err
	}
	if err := old.file.Close(); err != nil {
		l.opts.Logger.Warn("close segment", "segment", old.name, "error", err)
	}
	l.out, l.chores = next, time.Time{}
	l.mu.Lock()
	l.shelf = append(l.shelf, &shelved{name: old.name, base: old.base, id: old.id, began: time.Unix(0, old.began)})
	l.lastBegan = time.Unix(0, next.began)
	l.mu.Unlock()
	l.settle()
	return nil
}

// settle does what the directory is owed.
func (l *Log) settle() {
	done, err := l.dir.settle()
	if err != nil {
		l.opts.Logger.Warn("audit log: will be tried again", "error", err)
	}
	l.own = append(l.own, done...)
}

// goOn is called when the segment cannot be written any more, or has no successor
// yet. It tries until there is another segment, which has all that was
// acknowledged before it. It returns an error when the log is closed meanwhile:
// then nothing more can be done.
func (l *Log) goOn(cause error) error {
	l.opts.Logger.Error("audit log cannot write, and tries to go on in a new segment", "segment", l.out.name, "error", cause)
	l.setFailing(cause)
	abandoned, problem := l.out, cause
	var fe *FailedError
	errors.As(cause, &fe)
	for wait := time.Duration(0); ; wait = min(max(2*wait, retryFirst), retryLast) {
		last := l.pause(wait)
		l.makeRoom(cause)
		err := l.follow(problem)
		if err == nil {
			break
		}
		l.setFailing(err)
		if cause = err; last {
			return &FailedError{Op: "begin", Segment: abandoned.name, Err: err}
		}
	}
	if !abandoned.sealed {
		l.own = append([]Record{l.abandonedRecord(abandoned, fe)}, l.own...)
	}
	l.setFailing(nil)
	l.opts.Logger.Warn("audit log goes on", "segment", l.out.name)
	return nil
}

// goOnWithRoom is goOn, and makes room before anything else is written if the disk
// was full.
func (l *Log) goOnWithRoom(cause error) error {
	if err := l.goOn(cause); err != nil || !l.diskFull {
		return err
	}
	return l.relieve()
}

// pause waits before another try. It reports that the try is the last: the log
// is being closed.
func (l *Log) pause(d time.Duration) (last bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.quit:
		return true
	case <-timer.C:
		return false
	}
}

func (l *Log) setFailing(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err
}

// abandonedRecord says that a segment was given up.
func (l *Log) abandonedRecord(a *appender, fe *FailedError) Record {
	r := &recovery{Commit: a.good.tree.size - 1, File: a.name, BootBefore: l.boot, BootNow: l.boot, Reason: "write failed"}
	if fe != nil && fe.Op == "sync" {
		r.Reason = "sync failed"
	}
	if f, err := l.opts.FS.Open(l.dir.join(a.name)); err == nil {
		if size, err := f.Size(); err == nil && size > a.size {
			r.Discarded = uint64(min(size-a.size, maxTail))
		}
		_ = f.Close() // was only read
	}
	return r
}

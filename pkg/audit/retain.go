// SPDX-License-Identifier: MIT

package audit

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// retention is what a log's limits come to on its file system.
type retention struct {
	segment int64 // when a segment is sealed
	total   int64 // what all may take
}

func (o *Options) retention(fsys vfs.FS, dir string) retention {
	r := retention{segment: o.SegmentBytes, total: o.MaxBytes}
	if r.total == 0 {
		r.total = defaultMaxBytes
		if space, err := fsys.Space(dir); err == nil && space > 0 {
			r.total = min(r.total, int64(min(space, 1<<60)/20))
		}
	}
	if r.segment == 0 {
		r.segment = max(min(defaultSegmentBytes, r.total/8), minSegmentBytes)
	}
	return r
}

// shelved is a segment before the one that is written.
type shelved struct {
	name  string
	base  uint64
	id    string
	began time.Time // of its header
	bytes int64     // of its file; 0: not known yet
	// packed says that it is compressed, busy that it is being compressed.
	packed, busy bool
}

// reserve is a file that gives its room back when the disk is full, so that the
// log can say so.
const (
	reserveName  = "reserve"
	reserveBytes = 256 << 10
)

// chore does what is due now and then: retention, and what failed before.
func (l *Log) chore() error {
	now := l.opts.Machine.Now()
	if now.Sub(l.chores) < choreInterval {
		return nil
	}
	l.chores = now
	l.settle()
	if err := l.relieve(); err != nil {
		return err
	}
	l.packs.poke()
	return nil
}

// relieve lets retention do its work, and keeps the reserve with what that gives
// back. When the disk is full it is called before anything else is written: the
// reserve is enough to say what goes, not for all that waits.
func (l *Log) relieve() error {
	for full := l.diskFull; ; {
		removed, err := l.retain(full && l.opts.RemoveWhenFull)
		if err != nil {
			return err
		}
		l.diskFull = false
		err = l.keepReserve()
		if full = isFull(err); full && removed {
			continue // it was a small one
		}
		if err != nil {
			l.opts.Logger.Warn("audit log: keep reserve", "error", err)
		}
		return nil
	}
}

// retain removes the oldest segments while the log is too long or they are too
// old; and one if the disk is full. It says so in the log first.
func (l *Log) retain(full bool) (removed bool, err error) {
	for {
		victim, reason := l.victim(full)
		if victim == nil {
			return removed, nil
		}
		l.record(&segmentRemoved{
			Segment: victim.id, Base: victim.base, UpTo: l.secondBase(), Bytes: victim.bytes, Reason: reason, Acked: l.ackedSize(),
		})
		for {
			_, err := l.group(batch{}, 0)
			if err == nil {
				break
			}
			if err := l.goOn(err); err != nil {
				return removed, err
			}
		}
		if err := l.discard(victim); err != nil {
			l.opts.Logger.Warn("audit log: remove segment", "segment", victim.name, "error", err)
			return false, nil
		}
		full, removed = false, true
	}
}

// victim is the segment that has to go next, marked as busy, and why.
func (l *Log) victim(full bool) (*shelved, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	reason := l.overdue(full)
	if reason == "" {
		return nil, ""
	}
	l.shelf[0].busy = true
	return l.shelf[0], reason
}

// overdue is why the first segment has to go; empty if it has not. It is called
// with mu held.
func (l *Log) overdue(full bool) string {
	if len(l.shelf) == 0 {
		return ""
	}
	total := l.out.size
	for _, s := range l.shelf {
		if s.bytes == 0 {
			s.bytes = l.measure(s)
		}
		total += s.bytes
	}
	first := l.shelf[0]
	upTo := l.followed(0)
	ended := time.Unix(0, l.out.began)
	if len(l.shelf) > 1 {
		ended = l.shelf[1].began
	}
	if first.busy || l.opts.KeepUnshipped && l.acked < upTo {
		return ""
	}
	switch {
	case full:
		return "disk-full"
	case total > l.limit.total:
		return "size"
	case l.opts.MaxAge > 0 && l.opts.Machine.Now().Sub(ended) > l.opts.MaxAge:
		return "age"
	}
	return ""
}

// followed is the base of the segment after the i-th on the shelf. It is called
// with mu held.
func (l *Log) followed(i int) uint64 {
	if i+1 < len(l.shelf) {
		return l.shelf[i+1].base
	}
	return l.out.base
}

// secondBase is the base of the segment after the first.
func (l *Log) secondBase() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.followed(0)
}

func (l *Log) ackedSize() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked
}

// measure is how long a segment's file is.
func (l *Log) measure(s *shelved) int64 {
	var total int64
	for _, name := range []string{s.name, s.name + packedSuffix} {
		f, err := l.opts.FS.Open(l.dir.join(name))
		if err != nil {
			continue
		}
		if size, err := f.Size(); err == nil {
			total += size
		}
		_ = f.Close() // was only read
	}
	return total
}

// discard removes the first segment on the shelf.
func (l *Log) discard(s *shelved) error {
	for _, name := range []string{s.name, s.name + packedSuffix} {
		if err := l.opts.FS.Remove(l.dir.join(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.mu.Lock()
			s.busy = false
			l.mu.Unlock()
			return err
		}
	}
	l.mu.Lock()
	l.shelf = l.shelf[1:]
	l.mu.Unlock()
	l.opts.Logger.Info("audit log: segment removed", "segment", s.name, "bytes", s.bytes)
	return l.opts.FS.SyncDir(l.dir.path)
}

// isFull says that a disk or a quota has no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// makeRoom gives the reserve back when the disk is full.
func (l *Log) makeRoom(cause error) {
	if !isFull(cause) {
		return
	}
	if err := l.opts.FS.Remove(l.dir.join(reserveName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.opts.Logger.Warn("audit log: give reserve back", "error", err)
	}
	l.diskFull = true
}

// keepReserve makes the reserve if it is not there. It has no zeros: file systems
// do without these.
func (l *Log) keepReserve() error {
	name := l.dir.join(reserveName)
	if f, err := l.opts.FS.Open(name); err == nil {
		return f.Close()
	}
	content := make([]byte, min(reserveBytes, 3*l.limit.segment))
	rand.Read(content) // never fails
	return replaceFile(l.opts.FS, l.dir.path, reserveName, content)
}

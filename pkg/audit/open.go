// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// Open starts a log in dir, or continues the one there after verifying it. What
// a crash left behind the last commit record is kept in a file beside the
// segment, cut off, and recorded. ctx ends the verification only.
//
// Errors: [ErrLocked] if another writer has the log, *[CorruptionError] if the
// log does not verify, *[OriginError] if it is not this node's.
func Open(ctx context.Context, dir string, opts Options) (*Log, error) {
	o := &opener{opts: opts.withDefaults(), dir: dir}
	l, err := o.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open audit log %s: %w", dir, err)
	}
	go l.run()
	return l, nil
}

// opener is the state of one Open.
type opener struct {
	opts   Options
	dir    string
	boot   string
	origin string
	found  Standing
	fresh  bool
}

func (o *opener) open(ctx context.Context) (_ *Log, err error) {
	fsys := o.opts.FS
	if o.boot, err = o.opts.Machine.BootID(); err != nil {
		return nil, fmt.Errorf("read boot id: %w", err)
	}
	if err := fsys.MkdirAll(o.dir); err != nil {
		return nil, err
	}
	lock, err := fsys.Lock(o.path(lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, ErrLocked
	} else if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	out, err := o.continued(ctx)
	if errors.Is(err, ErrNoLog) {
		o.fresh = true
		out, err = o.born(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return o.log(out, lock), nil
}

func (o *opener) log(out *appender, lock io.Closer) *Log {
	l := &Log{
		opts: o.opts, origin: o.origin, lock: lock, out: out, found: o.found, born: o.fresh,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	l.base, l.boot = o.opts.Machine.Now(), o.opts.Machine.Boottime()
	return l
}

// continued opens the log that is there, or returns ErrNoLog.
func (o *opener) continued(ctx context.Context) (*appender, error) {
	fsys := o.opts.FS
	w := newWalker()
	if err := w.directory(ctx, fsys, o.dir); err != nil {
		return nil, err
	}
	if err := o.accept(w); err != nil {
		return nil, err
	}
	name := w.rep.Segments[len(w.rep.Segments)-1]
	if name == birthTmpName {
		name = segmentFile(0, w.segmentID)
		if err := o.publish(birthTmpName, name); err != nil {
			return nil, err
		}
	}
	f, err := fsys.Append(o.path(name))
	if err != nil {
		return nil, err
	}
	out := &appender{file: f, name: name, link: w.good.link}
	out.mid = commonMembers(o.boot, o.opts.Node, o.origin)
	if len(out.mid) > maxMid {
		return nil, errors.Join(errTooLong, f.Close())
	}
	if w.rep.TailBytes > 0 {
		if err := o.recover(w, out); err != nil {
			return nil, errors.Join(fmt.Errorf("recover: %w", err), f.Close())
		}
		// What was cut off is not in the log: it is read again without.
		w = newWalker()
		if err := w.directory(ctx, fsys, o.dir); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	o.found = w.acct.standing(o.boot)
	return out, nil
}

// accept says whether the log found may be continued.
func (o *opener) accept(w *walker) error {
	if b := w.rep.Bad; b != nil {
		return &CorruptionError{b.Segment, b.Offset, b.Seq, errors.New(b.Problem)}
	}
	if w.rep.Committed == nil {
		name := w.rep.Segments[len(w.rep.Segments)-1]
		return &CorruptionError{name, 0, w.good.link.tree.size, errors.New("segment has no commit record")}
	}
	o.origin = w.rep.Origin
	want := o.opts.Cluster + "/" + o.opts.Node.UID + "/"
	if !strings.HasPrefix(o.origin, want) {
		return &OriginError{Have: o.origin, Want: strings.TrimSuffix(want, "/")}
	}
	return nil
}

func (o *opener) path(name string) string { return filepath.Join(o.dir, name) }

func (o *opener) stamp() stamp {
	return stamp{o.opts.Machine.Now().UnixNano(), int64(o.opts.Machine.Boottime())}
}

// publish gives a file its final name, durably.
func (o *opener) publish(from, to string) error {
	if err := o.opts.FS.Rename(o.path(from), o.path(to)); err != nil {
		return err
	}
	return o.opts.FS.SyncDir(o.dir)
}

var errTooLong = errors.New("node and cluster names are too long for the audit log")

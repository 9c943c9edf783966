// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// VerifyOptions of [Verify].
type VerifyOptions struct {
	FS vfs.FS // default: the operating system's
	// Anchors say what the log was at other times.
	Anchors []Anchor
	// Unanchored says that there is no anchor and none is to be asked for: a log
	// that holds is proven as far as it can be.
	Unanchored bool
}

// Verify reads the log in a directory, or a single segment file, from beginning
// to end in constant memory and reports what it found. What is wrong with the
// log is in the report; an error means that it could not be read, or is
// [ErrNoLog].
func Verify(ctx context.Context, path string, opts VerifyOptions) (*Report, error) {
	return scan(ctx, path, opts, nil)
}

// eachFunc is shown a record that holds. commit says that it is a commit record:
// it and those before it since the last one are durable. The line is valid until
// it returns.
type eachFunc func(seq uint64, leaf Hash, line []byte, commit bool) error

// scan is Verify that shows every record that holds, committed or not.
func scan(ctx context.Context, path string, opts VerifyOptions, each eachFunc) (*Report, error) {
	if opts.FS == nil {
		opts.FS = vfs.OS{}
	}
	w := newWalker()
	w.rep.Path = path
	w.anchors, w.each = newAnchors(opts.Anchors), each
	dir, err := opts.FS.IsDir(path)
	if err != nil {
		return nil, fmt.Errorf("verify audit log: %w", err)
	}
	if dir {
		err = w.directory(ctx, opts.FS, path)
	} else {
		w.anyStart = true
		err = w.file(ctx, opts.FS, path, true)
	}
	if err != nil {
		return nil, fmt.Errorf("verify audit log %s: %w", path, err)
	}
	return w.report(!dir, opts.Unanchored), nil
}

// directory walks all segments of a log directory.
func (w *walker) directory(ctx context.Context, fsys vfs.FS, dir string) error {
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	origin, err := readAll(fsys, filepath.Join(dir, originName))
	files := segments(names)
	w.before = place{segment: originName}
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err != nil && len(files) == 0:
		return ErrNoLog
	case err != nil:
		w.rep.Bad = w.before.bad(errors.New("the log has segments but no origin file"))
		return nil
	}
	if w.rep.Origin, err = parseOrigin(origin); err != nil {
		w.rep.Bad = w.before.bad(err)
		return nil
	}
	w.link.prev = sha256.Sum256(origin)
	if len(files) == 0 && slices.Contains(names, birthTmpName) {
		return w.file(ctx, fsys, filepath.Join(dir, birthTmpName), true)
	}
	if len(files) == 0 {
		w.rep.Bad = w.before.bad(errors.New("the log was born, but its segments are gone"))
	}
	for i, name := range files {
		if w.rep.Bad != nil {
			break
		}
		if err := w.file(ctx, fsys, filepath.Join(dir, name), i == len(files)-1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) file(ctx context.Context, fsys vfs.FS, path string, last bool) (err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return w.segment(ctx, f, filepath.Base(path), last)
}

// report finishes the walk.
func (w *walker) report(single, unanchored bool) *Report {
	r := &w.rep
	w.judgeAnchors()
	r.unanchored = unanchored
	r.LastTime = string(w.lastTime)
	if b := r.Bad; b != nil && r.Records > 0 && b.Seq <= r.LastSeq { // found bad only by its successor
		r.Records = b.Seq - r.FirstSeq
		r.LastSeq = max(b.Seq, 1) - 1
	}
	w.acct.closeLoad(true)
	r.Balance = w.acct.total
	r.Kinds = map[string]uint64{}
	for k, n := range w.kinds {
		r.Kinds[k] = *n
	}
	r.Verdict = r.verdict()
	r.Statement = r.statement(single)
	return r
}

// judgeAnchors is about those that no single record contradicts.
func (w *walker) judgeAnchors() {
	r := &w.rep
	if r.Bad == nil {
		var committed uint64
		if r.Committed != nil {
			committed = r.Committed.Size
		}
		err := w.anchors.origin(r.Origin)
		if err == nil {
			err = w.anchors.end(committed)
		}
		if err != nil {
			r.Bad = w.at.bad(err)
		}
	}
	r.Anchors, r.Anchored = w.anchors.list, w.anchors.met()
}

func readAll(fsys vfs.FS, path string) (b []byte, err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

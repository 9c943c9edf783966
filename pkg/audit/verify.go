// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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
	// Key, if set, is the log's birth key as somebody else knows it, in the form of
	// C2SP signed notes.
	Key string
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
	w.anchors, w.each, w.key = newAnchors(opts.Anchors), each, opts.Key
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
	// Before the names: what is written meanwhile is then in the segments that
	// are read, not in what they must reach.
	head, headErr := readAll(fsys, filepath.Join(dir, headName))
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
	if w.birth, err = ParseBirth(origin); err != nil {
		w.rep.Bad = w.before.bad(err)
		return nil
	}
	w.rep.Origin, w.rep.Key = w.birth.Origin, w.birth.Key
	if w.key != "" && w.key != w.birth.Key {
		w.rep.Bad = w.before.bad(fmt.Errorf("the log was born with the key %s, not with %s: it is another log, or was made anew", w.birth.Key, w.key))
		return nil
	}
	w.rep.KeyKnown = w.key != ""
	w.link.prev = sha256.Sum256(origin)
	if len(files) == 0 && slices.Contains(names, birthTmpName) {
		return w.file(ctx, fsys, filepath.Join(dir, birthTmpName), true)
	}
	if len(files) == 0 {
		w.rep.Bad = w.before.bad(errors.New("the log was born, but its segments are gone"))
		return nil
	}
	if err := w.remember(head, headErr); err != nil || w.rep.Bad != nil {
		return err
	}
	if err := w.seek(fsys, dir, files[0]); err != nil || w.rep.Bad != nil {
		return err
	}
	for i, name := range files {
		if w.rep.Bad != nil {
			break
		}
		w.stop = nil
		last := i == len(files)-1
		if !last {
			w.stop = abandonedAt(fsys, filepath.Join(dir, files[i+1]))
		}
		if err := w.file(ctx, fsys, filepath.Join(dir, name), last); err != nil {
			return err
		}
	}
	if c := w.mustReach; w.rep.Bad == nil && c != nil && (w.rep.Committed == nil || w.rep.Committed.Seq < c.Size) {
		w.rep.Bad = place{segment: headName, line: 1, seq: c.Size}.bad(
			fmt.Errorf("the log reached record %d before and does not any more: it was cut back", c.Size))
	}
	if w.rep.Bad == nil {
		if err := w.checkSources(fsys, dir); err != nil {
			return err
		}
	}
	if w.rep.Bad == nil && w.removed < w.rep.FirstSeq {
		w.rep.Bad = place{segment: files[0], line: 1, seq: w.rep.FirstSeq}.bad(
			fmt.Errorf("records up to %d are gone, and no record says that retention removed them", w.rep.FirstSeq-1))
	}
	return nil
}

// remember takes how far the log went as its own machine remembers it.
func (w *walker) remember(msg []byte, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := ReadCheckpoint(msg)
	if err == nil && c.Origin != w.birth.Origin {
		err = fmt.Errorf("checkpoint is of the log %q", c.Origin)
	}
	if err != nil {
		w.rep.Bad = place{segment: headName, line: 1}.bad(err)
		return nil
	}
	w.mustReach = c
	return nil
}

// seek makes the walk begin at the first segment there is. If that is not the
// log's first, the file of headers says how its key follows from the birth key.
func (w *walker) seek(fsys vfs.FS, dir, first string) error {
	if first[:20] == segmentFile(0, "")[:20] {
		return nil
	}
	_, err := headerChain(fsys, dir, w.birth, func(h *header) error {
		if h.name() == first {
			w.trusted, w.sealed = true, h.Abandoned == nil
			return w.from(h)
		}
		if !w.trusted {
			w.header = h
		}
		return nil
	})
	var ce *CorruptionError
	switch {
	case errors.As(err, &ce):
		w.rep.Bad = place{segment: ce.Segment, line: ce.Seq + 1, offset: ce.Offset}.bad(ce.Err)
		return nil
	case err != nil && w.trusted: // an anchor names another root
		w.rep.Bad = place{segment: headersName, seq: w.rep.FirstSeq}.bad(err)
		return nil
	case err != nil:
		return err
	case !w.trusted:
		w.rep.Bad = place{segment: headersName}.bad(fmt.Errorf("no header says how %s follows from the log's birth", first))
	}
	return nil
}

// abandonedAt returns after which record the header of a segment says that the
// one before it was abandoned; nil if it does not, or cannot be read.
func abandonedAt(fsys vfs.FS, path string) *uint64 {
	line, err := firstLine(fsys, path)
	if err != nil {
		return nil
	}
	h, err := parseHeader(line)
	if err != nil || h.Abandoned == nil {
		return nil
	}
	return &h.Abandoned.Commit
}

func (w *walker) file(ctx context.Context, fsys vfs.FS, path string, last bool) (err error) {
	r, err := openSegment(fsys, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return w.segment(ctx, r, filepath.Base(path), last)
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
	w.acct.closeLoad()
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

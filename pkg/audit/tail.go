// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// TailOptions of [Tail].
type TailOptions struct {
	N      int  // records to begin with; 0: ten, negative: all
	Follow bool // wait for more until ctx ends
	All    bool // also commits, heartbeats and segment headers
	JSON   bool // lines as they are in the log instead of a table
	Color  bool
	FS     vfs.FS // default: the operating system's
}

// Tail prints the last records of the log in a directory. Values are made safe
// for terminals. It verifies nothing, and may print records before they are
// committed. When following, the end of ctx is not an error.
func Tail(ctx context.Context, dir string, opts TailOptions, w io.Writer) error {
	if opts.FS == nil {
		opts.FS = vfs.OS{}
	}
	if opts.N == 0 {
		opts.N = 10
	}
	t := &tailer{opts: opts, dir: dir, w: w}
	if err := t.run(ctx); err != nil {
		return fmt.Errorf("tail audit log %s: %w", dir, err)
	}
	return nil
}

// pollInterval is how often a followed log is looked at.
const pollInterval = 100 * time.Millisecond

type tailer struct {
	opts TailOptions
	dir  string
	w    io.Writer
	name string // segment being followed
	off  int64  // first byte in it that is not printed
}

func (t *tailer) run(ctx context.Context) error {
	files, err := t.files()
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return ErrNoLog
	}
	if !t.opts.JSON {
		if _, err := io.WriteString(t.w, rowHeader(paint(t.opts.Color))); err != nil {
			return err
		}
	}
	if err := t.begin(files); err != nil {
		return err
	}
	for t.opts.Follow {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pollInterval):
		}
		if err := t.more(); err != nil {
			return err
		}
	}
	return nil
}

func (t *tailer) files() ([]string, error) {
	names, err := t.opts.FS.ReadDir(t.dir)
	return segments(names), err
}

// begin prints the last N records.
func (t *tailer) begin(files []string) error {
	var parts [][][]byte
	need := t.opts.N
	for i := len(files) - 1; i >= 0 && need != 0; i-- {
		lines, end, err := t.last(files[i], need)
		if err != nil {
			return err
		}
		if i == len(files)-1 {
			t.name, t.off = files[i], end
		}
		parts = append(parts, lines)
		if need > 0 {
			need -= len(lines)
		}
	}
	for _, lines := range slices.Backward(parts) {
		for _, line := range lines {
			if err := t.print(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// last returns up to n whole lines that are to be shown, all if n is negative,
// and where the last whole line ends. It reads back from the end in growing
// steps.
func (t *tailer) last(name string, n int) (lines [][]byte, end int64, err error) {
	f, err := t.opts.FS.Open(filepath.Join(t.dir, name))
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, 0, err
	}
	for step := int64(64 << 10); ; step *= 4 {
		from := max(0, size-step)
		if n < 0 {
			from = 0
		}
		buf := make([]byte, size-from)
		if _, err := f.ReadAt(buf, from); err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		end = from + int64(bytes.LastIndexByte(buf, '\n')+1)
		buf = buf[:end-from]
		if from > 0 { // the first line may be half
			buf = buf[bytes.IndexByte(buf, '\n')+1:]
		}
		lines = lines[:0]
		for line := range bytes.Lines(buf) {
			if t.shown(line) {
				lines = append(lines, line)
			}
		}
		if from == 0 || len(lines) >= n {
			break
		}
	}
	if n >= 0 && len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return lines, end, nil
}

// more prints what has been added, in this segment and those after it.
func (t *tailer) more() error {
	for {
		// Listed before reading: when a next segment exists, this one is whole.
		files, err := t.files()
		if err != nil {
			return err
		}
		if err := t.drain(); err != nil {
			return err
		}
		i := slices.Index(files, t.name)
		if i < 0 || i+1 == len(files) {
			return nil
		}
		t.name, t.off = files[i+1], 0
	}
}

func (t *tailer) drain() (err error) {
	f, err := t.opts.FS.Open(filepath.Join(t.dir, t.name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return err
	}
	if size < t.off { // a recovery cut lines off that were printed
		t.off = size
	}
	lines := newLineReader(io.NewSectionReader(f, t.off, size-t.off), size-t.off)
	for {
		from, to, end, err := lines.next()
		if err != nil || end != newline {
			return err
		}
		t.off += int64(to - from + 1)
		if line := lines.buf[from:to]; t.shown(line) {
			if err := t.print(line); err != nil {
				return err
			}
		}
	}
}

func (t *tailer) shown(line []byte) bool {
	r := parseRow(line)
	return t.opts.All || !r.quiet()
}

func (t *tailer) print(line []byte) error {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	r := parseRow(line)
	s := r.text(paint(t.opts.Color))
	if t.opts.JSON {
		s = safeLine(line) + "\n"
	}
	_, err := io.WriteString(t.w, s)
	return err
}

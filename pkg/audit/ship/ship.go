// SPDX-License-Identifier: MIT

// Package ship takes an audit log's checkpoints to where whoever changes the log
// cannot take them back.
package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// Stderr is the name of the anchor that is standard error.
const Stderr = "-"

// To returns the anchors of these names: files, or [Stderr], which is written to w.
func To(names []string, w io.Writer) []audit.Shipper {
	var out []audit.Shipper
	for _, n := range names {
		if n == Stderr {
			out = append(out, NewWriter(w))
		} else {
			out = append(out, NewFile(n))
		}
	}
	return out
}

// File appends checkpoints to a file, each followed by an empty line. The file is
// of one log; it may be one that can only grow (chattr +a), on another machine's
// file system.
type File struct {
	path string
}

// NewFile makes one; the file is opened with each checkpoint.
func NewFile(path string) *File { return &File{path: path} }

// Name implements [audit.Shipper].
func (f *File) Name() string { return "file " + f.path }

// Ship implements [audit.Shipper]. It refuses what contradicts the last checkpoint
// in the file: another log, or one that is shorter than it was.
func (f *File) Ship(_ context.Context, p *audit.Published) (err error) {
	last, err := f.last()
	if err != nil {
		return err
	}
	if last != nil {
		switch {
		case last.Origin != p.Origin:
			return fmt.Errorf("%s has checkpoints of the log %q", f.path, last.Origin)
		case last.Size > p.Size || last.Size == p.Size && last.Root != p.Root:
			return fmt.Errorf("%s knows a log of %d records that is not this one: this is an older copy, or was changed", f.path, last.Size)
		case last.Size == p.Size:
			return nil
		}
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	// Begins with empty lines too: what a crash cut short before it ends there.
	if _, err := file.Write(append(append([]byte("\n\n"), p.Note...), '\n')); err != nil {
		return err
	}
	return file.Sync()
}

func (f *File) last() (*audit.Checkpoint, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	note, err := Last(file)
	if err != nil || note == nil {
		return nil, err
	}
	return audit.ReadCheckpoint(note)
}

// tailBytes is more than two checkpoints with a number of signatures.
const tailBytes = 64 << 10

// Last returns the last whole note with a signature in a file of notes, nil if there
// is none in its last 64 KiB.
func Last(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-tailBytes)
	b, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil, err
	}
	const signatures = "\n\n\u2014 "
	for end := len(b); ; {
		at := bytes.LastIndex(b[:end], []byte(signatures))
		if at < 0 {
			return nil, nil
		}
		begin := bytes.LastIndex(b[:at], []byte("\n\n"))
		if begin < 0 && from > 0 {
			return nil, nil
		}
		note := bytes.TrimLeft(b[max(begin, 0):], "\n")
		if body, sigs, _ := bytes.Cut(note, []byte("\n\n")); bytes.HasSuffix(sigs, []byte("\n")) || bytes.Contains(sigs, []byte("\n\n")) {
			sigs, _, _ = bytes.Cut(sigs, []byte("\n\n"))
			return append(append(append(bytes.Clone(body), "\n\n"...), bytes.TrimSuffix(sigs, []byte("\n"))...), '\n'), nil
		}
		end = at
	}
}

// writerInterval is how often a writer is told at most: it is read by people too.
const writerInterval = 10 * time.Second

// Writer writes a line for each checkpoint, with what `audit verify --anchor` takes.
type Writer struct {
	mu sync.Mutex
	w  io.Writer
}

// NewWriter makes one.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Name implements [audit.Shipper].
func (*Writer) Name() string { return "standard error" }

// Every implements [audit.Slow].
func (*Writer) Every() time.Duration { return writerInterval }

// Ship implements [audit.Shipper].
func (w *Writer) Ship(_ context.Context, p *audit.Published) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := fmt.Fprintf(w.w, "safeclaw: audit checkpoint %d:%s of %s\n", p.Size, p.Root, p.Origin)
	return err
}

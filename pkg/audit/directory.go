// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// Names in a log directory.
const (
	lockName      = "LOCK"
	originName    = "origin"
	originTmpName = "origin.tmp"
	birthTmpName  = "birth.tmp" // first segment until its log is born
	nextTmpName   = "next.tmp"  // a segment until it is published
	headersName   = "headers"
	headName      = "head"
	sourcesName   = "sources"

	segmentSuffix = ".jsonl"
	packedSuffix  = ".zst" // after segmentSuffix
	keySuffix     = ".key" // in the place of segmentSuffix
	tmpSuffix     = ".tmp"
)

var (
	segmentName = regexp.MustCompile(`^(\d{20})-([0-9a-f]{16})\.jsonl$`)
	keyName     = regexp.MustCompile(`^(\d{20})-([0-9a-f]{16})\.key$`)
)

func segmentFile(base uint64, id string) string {
	return fmt.Sprintf("%020d-%s%s", base, id, segmentSuffix)
}

// keyFile is the name of the private key of a segment.
func keyFile(segment string) string { return strings.TrimSuffix(segment, segmentSuffix) + keySuffix }

// segments picks the segments out of a directory's names, in order, whether they
// are compressed or not. Names are without the suffix of compressed ones.
func segments(names []string) []string {
	var out []string
	for _, n := range names {
		n = strings.TrimSuffix(n, packedSuffix)
		if segmentName.MatchString(n) && (len(out) == 0 || out[len(out)-1] != n) {
			out = append(out, n)
		}
	}
	return out
}

// segmentReader reads a segment, compressed or not.
type segmentReader struct {
	io.Reader
	plain vfs.File // nil: compressed
	size  int64    // of the plain file; of a compressed one not known
	// packed is the length of a compressed file.
	packed int64
	close  func() error
}

// openSegment opens the plain file of a segment, or the compressed one where
// there is none.
func openSegment(fsys vfs.FS, path string) (*segmentReader, error) {
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) && segmentName.MatchString(filepath.Base(path)) {
		return openPacked(fsys, path+packedSuffix)
	}
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find size of segment: %w", err), f.Close())
	}
	return &segmentReader{Reader: io.NewSectionReader(f, 0, size), plain: f, size: size, close: f.Close}, nil
}

// zstdWindow bounds the memory that a compressed segment can ask for.
const zstdWindow = 8 << 20

func openPacked(fsys vfs.FS, path string) (*segmentReader, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &segmentReader{Reader: d, size: -1, packed: size, close: func() error {
		d.Close()
		return f.Close()
	}}, nil
}

// Close ends the reading.
func (r *segmentReader) Close() error { return r.close() }

// firstLine returns the header line of a segment, without its newline.
func firstLine(fsys vfs.FS, path string) (line []byte, err error) {
	r, err := openSegment(fsys, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	lines := newLineReader(r, MaxRecord)
	from, to, end, err := lines.next()
	if err != nil {
		return nil, err
	}
	if end != newline {
		return nil, errors.New("segment has no header")
	}
	return lines.buf[from:to], nil
}

// createTmp makes a file of which a crash may have left one; what it left was
// never part of a log.
func createTmp(fsys vfs.FS, path string) (vfs.File, error) {
	if err := fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return fsys.Create(path)
}

func readAll(fsys vfs.FS, path string) (b []byte, err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, 64<<10))
}

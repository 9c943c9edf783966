// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"errors"
	"io"
)

// lineReader cuts a segment into lines without copying them.
type lineReader struct {
	src  io.Reader
	buf  []byte // always with one byte in front of the line, see leafHashAt
	r, w int    // unread bytes are buf[r:w]
	off  int64  // position of buf[r] in the file
	eof  bool
}

// ending says how a line ends.
type ending int

const (
	newline ending = iota
	cutOff         // the file ends first; the line may be empty
	overlong
)

// newLineReader reads src, which has size bytes.
func newLineReader(src io.Reader, size int64) *lineReader {
	return &lineReader{src: src, buf: make([]byte, min(256<<10, size+2)), r: 1, w: 1}
}

// again is a reader of another source that takes over this one's buffer, if there
// is one and it is large enough.
func (l *lineReader) again(src io.Reader, size int64) *lineReader {
	if l == nil || int64(len(l.buf)) < min(256<<10, size+2) {
		return newLineReader(src, size)
	}
	return &lineReader{src: src, buf: l.buf, r: 1, w: 1}
}

// next returns where the next line is in l.buf, without its newline. It is valid
// until the next call.
func (l *lineReader) next() (from, to int, end ending, err error) {
	searched := l.r
	for {
		if i := bytes.IndexByte(l.buf[searched:l.w], '\n'); i >= 0 && searched+i-l.r <= MaxRecord {
			from, to = l.r, searched+i
			l.r = to + 1
			l.off += int64(to + 1 - from)
			return from, to, newline, nil
		} else if i >= 0 || l.w-l.r > MaxRecord {
			return l.r, l.w, overlong, nil
		}
		if l.eof {
			return l.r, l.w, cutOff, nil
		}
		if l.w == len(l.buf) {
			copy(l.buf[1:], l.buf[l.r:l.w])
			l.r, l.w = 1, 1+l.w-l.r
		}
		searched = l.w
		n, err := l.src.Read(l.buf[l.w:])
		l.w += n
		if errors.Is(err, io.EOF) {
			l.eof = true
		} else if err != nil {
			return 0, 0, 0, err
		}
	}
}

// rest counts the bytes that are left, up to a limit.
func (l *lineReader) rest(limit int64) (int64, error) {
	n := int64(l.w - l.r)
	if n >= limit {
		return limit, nil
	}
	more, err := io.CopyN(io.Discard, l.src, limit-n)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n + more, err
}

// zerosFrom says whether the file from off to size consists of bytes that are
// not zero followed by zeros to its end, at least one. A crash that made a file
// longer before its content arrived leaves it like that.
func zerosFrom(f io.ReaderAt, off, size int64) (bool, error) {
	buf := make([]byte, 64<<10)
	zeros := false
	for off < size {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 && err != nil {
			return false, err
		}
		b := buf[:n]
		off += int64(n)
		if !zeros {
			i := bytes.IndexByte(b, 0)
			if i < 0 {
				continue
			}
			zeros, b = true, b[i:]
		}
		if len(bytes.Trim(b, "\x00")) > 0 {
			return false, nil
		}
	}
	return zeros, nil
}

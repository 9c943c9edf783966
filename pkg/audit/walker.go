// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// walker follows a chain through its segments, line by line. [Verify] and
// [Open] both use it.
type walker struct {
	rep    Report
	parser parser
	acct   accountant
	kinds  map[string]*uint64

	lastTime  []byte
	segmentID string // of the last header

	link     link
	anyStart bool // the first record's prev and the tree before it are unknown
	noTree   bool // the tree is unknown: the walk did not begin at record 0
	crc      uint32
	since    int64 // bytes since the last commit line
	good     mark  // the last commit record

	at      place // of the record being read
	before  place // of the record before it
	anchors anchors
	each    eachFunc
	eachErr error
	doubt   *doubt
}

// place is where a record is.
type place struct {
	segment string
	line    uint64
	seq     uint64
	offset  int64
}

// mark is the state right after a commit record.
type mark struct {
	link   link
	boot   string
	offset int64
}

func (p place) bad(err error) *BadRecord {
	return &BadRecord{Segment: p.segment, Line: p.line, Seq: p.seq, Offset: p.offset, Problem: err.Error()}
}

func newWalker() *walker {
	return &walker{kinds: map[string]*uint64{}, rep: Report{Verdicts: map[string]uint64{}}}
}

// segment walks one file. last says that no other follows, so that it may end
// in a torn tail.
func (w *walker) segment(ctx context.Context, f vfs.File, name string, last bool) error {
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("find size of segment: %w", err)
	}
	w.rep.Segments = append(w.rep.Segments, name)
	w.at = place{segment: name}
	lines := newLineReader(io.NewSectionReader(f, 0, size), size)
	for w.rep.Bad == nil {
		if w.eachErr != nil {
			return w.eachErr
		}
		if w.at.line%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		w.at.line++
		w.at.offset = lines.off
		w.at.seq = w.link.tree.size
		from, to, end, err := lines.next()
		if err != nil {
			return fmt.Errorf("read segment: %w", err)
		}
		if end != newline {
			return w.end(f, size, to > from, end, last)
		}
		w.rep.Bad = w.line(lines.buf[:to], from)
		w.before = w.at
	}
	return nil
}

// end judges what follows the last whole line.
func (w *walker) end(f vfs.File, size int64, some bool, end ending, last bool) error {
	if w.doubt != nil {
		w.rep.Bad = w.doubt.settle(nil)
		return nil
	}
	if end == overlong {
		torn, err := zerosFrom(f, w.at.offset, size)
		if err != nil {
			return fmt.Errorf("read segment: %w", err)
		}
		if !torn {
			w.rep.Bad = w.at.bad(fmt.Errorf("line is longer than %d bytes", MaxRecord))
			return nil
		}
	}
	w.rep.TailBytes = size - w.good.offset
	switch {
	case w.rep.TailBytes == 0:
	case !last:
		w.rep.Bad = w.at.bad(errors.New("segment does not end with a commit record, but another segment follows"))
	case w.rep.TailBytes > maxTail:
		w.rep.Bad = w.at.bad(fmt.Errorf("%d bytes follow the last commit record, more than a crash can leave", w.rep.TailBytes))
	}
	return nil
}

// line takes the line that begins at buf[from], and returns what is wrong.
func (w *walker) line(buf []byte, from int) *BadRecord {
	b := buf[from:]
	r, err := w.parser.parse(b)
	if w.doubt != nil {
		if err != nil {
			return w.doubt.settle(nil)
		}
		return w.doubt.settle(&r.prev)
	}
	if err != nil {
		return w.at.bad(err)
	}
	if w.anyStart {
		w.anyStart = false
		w.link = link{prev: r.prev, tree: tree{size: r.seq}}
		w.at.seq, w.noTree = r.seq, r.seq > 0
		w.rep.FirstSeq, w.rep.Origin = r.seq, w.parser.log
		w.anchors.begin(r.seq + 1)
	}
	if r.seq != w.at.seq {
		return w.at.bad(fmt.Errorf("sequence number %d where %d belongs: records were removed, added or moved", r.seq, w.at.seq))
	}
	if r.prev != w.link.prev {
		w.doubt = newDoubt(w, r, b)
		return nil
	}
	if w.parser.log != w.rep.Origin {
		return w.at.bad(fmt.Errorf("record belongs to the log %q", w.parser.log))
	}
	if err := w.check(r, b); err != nil {
		return w.at.bad(err)
	}
	w.accept(r, buf, from)
	if w.each != nil && w.eachErr == nil {
		w.eachErr = w.each(r.seq, w.link.prev, b, w.since == 0)
	}
	if err := w.anchors.reach(&w.link.tree); err != nil {
		return w.at.bad(err)
	}
	return nil
}

// accept takes a record that holds into the state.
func (w *walker) accept(r *parsed, buf []byte, from int) {
	if w.rep.Records == 0 {
		w.rep.FirstTime = string(r.time)
	}
	w.rep.Records++
	w.rep.LastSeq = r.seq
	w.link.prev = leafHashAt(buf, from)
	w.link.tree.add(w.link.prev)
	w.lastTime = append(w.lastTime[:0], r.time...)
	n := int64(len(buf) - from + 1)
	if string(r.kind) != KindCommit {
		w.crc = crc32.Update(w.crc, castagnoli, buf[from:len(buf)+1]) // with its newline
		w.since += n
		w.rep.TailRecords++
		return
	}
	w.crc, w.since, w.rep.TailRecords = 0, 0, 0
	w.rep.Commits++
	w.good = mark{w.link, w.parser.bootID, w.at.offset + n}
	w.rep.Committed = &Committed{
		Seq: r.seq, Segment: w.at.segment, Offset: w.good.offset,
		Size: r.seq, Root: string(r.f.root), Head: string(r.f.head),
	}
}

// count adds to a named counter; a forged log cannot make it grow without end.
func (w *walker) count(name []byte) {
	c := w.kinds[string(name)]
	if c == nil {
		key := strings.Clone(string(name))
		if len(w.kinds) >= 64 {
			key = "other"
		}
		if c = w.kinds[key]; c == nil {
			c = new(uint64)
			w.kinds[key] = c
		}
	}
	*c++
}

// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// walker follows a chain through its segments, line by line. [Verify] and
// [Open] both use it.
type walker struct {
	rep    Report
	parser parser
	acct   accountant
	kinds  map[string]*uint64

	lastTime []byte
	sources  map[string]bool // hashes of policies' sources that records name
	lines    *lineReader     // of the segment; the next one gets its buffer

	birth  *Birth  // nil: not known, as of a single segment
	header *header // of the segment
	sealed bool    // the segment has its seal
	// trusted says that the segment's key follows from the birth key.
	trusted bool
	stop    *uint64 // commit record after which the segment was abandoned
	removed uint64  // segments below this base were removed by retention, as records say
	lossy   bool    // the record before is a recovery
	carried string  // segment whose account records stand for what came before
	// mustReach, if set, is a checkpoint whose root the tree must have at its size.
	mustReach *Checkpoint
	// onHeader and onCheckpoint, if set, hear of what was accepted.
	onHeader     func(h *header)
	onCheckpoint func(seq uint64, c *Checkpoint, note []byte)

	link     link
	anyStart bool // the walk begins at some segment: its header says where
	crc      uint32
	since    int64 // bytes since the last commit line
	good     mark  // the last commit record

	at      place // of the record being read
	before  place // of the record before it
	signing signing
	key     string // birth key to compare with
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
func (w *walker) segment(ctx context.Context, r *segmentReader, name string, last bool) error {
	w.rep.Segments = append(w.rep.Segments, name)
	w.at = place{segment: name}
	w.lines = w.lines.again(r, readSize(r.size))
	lines := w.lines
	for w.rep.Bad == nil {
		if w.eachErr != nil {
			return w.eachErr
		}
		if w.at.line%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if w.stop != nil && w.good.offset == lines.off && w.good.link.tree.size == *w.stop+1 && w.at.line > 0 {
			return w.abandoned(lines)
		}
		w.at.line++
		w.at.offset = lines.off
		w.at.seq = w.link.tree.size
		from, to, end, err := lines.next()
		if err != nil && r.plain == nil {
			w.rep.Bad = w.at.bad(fmt.Errorf("unpack segment: %w", err))
			return nil
		}
		if err != nil {
			return fmt.Errorf("read segment: %w", err)
		}
		if end != newline {
			return w.end(r, lines.off+int64(to-from), end, last)
		}
		w.rep.Bad = w.line(lines.buf[:to], from)
		w.before = w.at
	}
	return nil
}

// readSize is how much a reader of lines takes at once.
func readSize(size int64) int64 {
	if size < 0 {
		return 256 << 10
	}
	return size
}

// abandoned passes over what follows the last commit of a segment that its
// writer gave up.
func (w *walker) abandoned(lines *lineReader) error {
	rest, err := lines.rest(maxTail + 1)
	if err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	w.rep.TailRecords = 0
	if rest > maxTail {
		w.rep.Bad = w.at.bad(fmt.Errorf("more than %d bytes follow the last commit record of an abandoned segment", int64(maxTail)))
	}
	return nil
}

// end judges what follows the last whole line. read is how much of the segment
// has been read.
func (w *walker) end(r *segmentReader, read int64, end ending, last bool) error {
	if w.doubt != nil {
		w.rep.Bad = w.doubt.settle(nil)
		return nil
	}
	size := read
	if r.plain != nil {
		size = r.size
	}
	if end == overlong {
		torn := false
		if r.plain != nil {
			var err error
			if torn, err = zerosFrom(r.plain, w.at.offset, size); err != nil {
				return fmt.Errorf("read segment: %w", err)
			}
		}
		if !torn {
			w.rep.Bad = w.at.bad(fmt.Errorf("line is longer than %d bytes", MaxRecord))
			return nil
		}
	}
	w.rep.TailBytes = size - w.good.offset
	switch {
	case !last && w.stop != nil:
		w.rep.Bad = w.at.bad(fmt.Errorf("segment ends before record %d, after which it was abandoned", *w.stop))
	case w.rep.TailBytes == 0 && (last || w.sealed):
	case !last:
		w.rep.Bad = w.at.bad(errors.New("segment does not end with a segment.sealed record, but another segment follows"))
	case w.sealed:
		w.rep.Bad = w.at.bad(fmt.Errorf("%d bytes follow the seal of the segment", w.rep.TailBytes))
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
		if err := w.begin(b); err != nil {
			return w.at.bad(err)
		}
	}
	if r.seq != w.at.seq {
		return w.at.bad(fmt.Errorf("sequence number %d where %d belongs: records were removed, added or moved", r.seq, w.at.seq))
	}
	if w.parser.log != w.rep.Origin {
		return w.at.bad(fmt.Errorf("record belongs to the log %q", w.parser.log))
	}
	if r.prev != w.link.prev {
		w.doubt = newDoubt(w, r, b)
		return nil
	}
	if err := w.check(r, b); err != nil {
		return w.at.bad(err)
	}
	if err := w.signing.record(string(r.kind), w.parser.bootID, r.mono); err != nil {
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

// begin takes what the first header says for granted.
func (w *walker) begin(line []byte) error {
	h, err := parseHeader(line)
	if err != nil {
		return err
	}
	if w.rep.Origin == "" {
		w.rep.Origin = h.Log
	}
	return w.from(h)
}

// from makes the walk begin at a header.
func (w *walker) from(h *header) error {
	w.link = h.link
	w.at.seq, w.rep.FirstSeq = h.Base, h.Base
	w.carried = h.Segment
	w.anchors.begin(h.Base)
	return w.anchors.reach(&w.link.tree)
}

func isCommit(kind []byte) bool {
	return string(kind) == KindCommit || string(kind) == KindSegmentSealed
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
	if !isCommit(r.kind) {
		w.crc = crc32.Update(w.crc, castagnoli, buf[from:len(buf)+1]) // with its newline
		w.since += n
		w.rep.TailRecords++
		return
	}
	w.crc, w.since, w.rep.TailRecords = 0, 0, 0
	w.sealed = string(r.kind) == KindSegmentSealed
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

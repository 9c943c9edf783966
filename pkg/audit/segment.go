// SPDX-License-Identifier: MIT

package audit

import (
	"fmt"
	"hash/crc32"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// link is where a chain stands: what the next record continues.
type link struct {
	prev Hash // leaf hash of the last record
	tree tree // all records; its size is the next sequence number
}

// appender writes one segment. It is used by one goroutine at a time.
type appender struct {
	file   vfs.File
	name   string
	id     string
	base   uint64
	key    *segmentKey
	sealed bool
	began  int64  // Unix time of the header in nanoseconds
	worth  bool   // has more than a segment says about itself
	header []byte // its first line with the newline, of one begun by this process

	link link   // after the last record added
	good link   // after the last durable commit
	size int64  // of the file up to there
	mid  []byte // members from boot_id to log, the same in every record
	buf  []byte // lines since the last commit, after one spare byte
	date dateCache
}

// stamp is when a record was appended.
type stamp struct {
	time int64 // Unix time in nanoseconds
	mono int64 // boottime in nanoseconds
}

// commonMembers are the members that all records of a run of the agent share.
func commonMembers(bootID string, node Node, origin string) ([]byte, error) {
	e := encoder{b: []byte{'{'}, text: 512, exact: 512}
	text(&e, "boot_id", bootID, true)
	e.open("node")
	text(&e, "name", node.Name, true)
	text(&e, "uid", node.UID, true)
	e.close()
	text(&e, "log", origin, true)
	if len(e.b)+1 > maxMid {
		return nil, errTooLong
	}
	return append(append([]byte{','}, e.b[1:]...), ','), nil
}

// maxMid bounds the common members, and maxBody a line from kind on.
const (
	maxMid  = 768
	maxBody = MaxRecord - maxMid - 256
)

// add puts a record behind the others of this commit.
func (a *appender) add(s stamp, body []byte) {
	at := a.head(s)
	a.buf = append(a.buf, body...)
	a.end(at)
}

// record adds a record of the log's own.
func (a *appender) record(s stamp, rec Record) error {
	body, err := appendBody(nil, rec)
	if err != nil {
		return err
	}
	a.add(s, body)
	return nil
}

// head begins a line and returns where.
func (a *appender) head(s stamp) int {
	if len(a.buf) == 0 {
		a.buf = append(a.buf, 0)
	}
	at := len(a.buf)
	b := append(a.buf, headStart...)
	b = appendUint(b, a.link.tree.size)
	e := encoder{b: b}
	e.hash("prev", a.link.prev)
	e.b = append(e.b, `,"time":"`...)
	e.b = a.date.append(e.b, s.time)
	e.b = append(e.b, `","mono":`...)
	e.b = appendUint(e.b, uint64(max(s.mono, 0)))
	a.buf = append(e.b, a.mid...)
	return at
}

// end hashes the line that begins at position at and ends it.
func (a *appender) end(at int) {
	a.link.prev = leafHashAt(a.buf, at)
	a.link.tree.add(a.link.prev)
	a.buf = append(a.buf, '\n')
}

// full says that the lines since the last commit are as many bytes as one
// commit may cover.
func (a *appender) full() bool { return len(a.buf) >= maxBatchBytes }

// checkpoint adds a signed checkpoint, which a commit must follow, and returns it.
func (a *appender) checkpoint(s stamp) (*Published, error) {
	p, err := a.point()
	if err != nil {
		return nil, err
	}
	return p, a.record(s, &checkpointRecord{Note: string(p.Note)})
}

// point signs how far the log goes.
func (a *appender) point() (*Published, error) {
	c := Checkpoint{Origin: a.key.name, Size: a.link.tree.size, Root: a.link.tree.root()}
	msg, err := a.key.note(c.text())
	return &Published{c, []byte(msg)}, err
}

// commit ends the records added since the last commit with a commit record and
// makes them all durable.
func (a *appender) commit(s stamp) error { return a.commitAs(s, &commitRecord{}) }

// seal ends the segment.
func (a *appender) seal(s stamp, reason string) (*Published, error) {
	p, err := a.point()
	if err != nil {
		return nil, err
	}
	if err := a.commitAs(s, &sealed{Segment: a.id, Base: a.base, Reason: reason, Checkpoint: string(p.Note)}); err != nil {
		return nil, err
	}
	a.sealed = true
	return p, nil
}

// commitAs writes a record with the members of a commit.
func (a *appender) commitAs(s stamp, rec Record) error {
	since := max(len(a.buf)-1, 0)
	head, size, root := a.link.prev, a.link.tree.size, a.link.tree.root()
	at := a.head(s)
	e := encoder{b: a.buf, text: limits[0].text, exact: limits[0].exact}
	e.b = append(append(append(e.b, `"kind":"`...), rec.Kind()...), '"')
	rec.appendFields(&e)
	e.uint("size", size)
	e.hash("head", head)
	e.hash("root", root)
	e.uint("bytes", uint64(since))
	sum := crc32.Checksum(e.b[1:], castagnoli)
	e.b = fmt.Appendf(e.b, `,"crc32c":"%08x"}`, sum)
	a.buf = e.b
	a.end(at)
	return a.flush()
}

// flush makes what was added durable, or takes it back.
func (a *appender) flush() error {
	n := len(a.buf) - 1
	_, err := a.file.Write(a.buf[1:])
	a.buf = a.buf[:0]
	op := "write"
	if err == nil {
		op, err = "sync", a.file.Datasync()
	}
	if err != nil {
		a.link = a.good
		return &FailedError{Op: op, Segment: a.name, Err: err}
	}
	a.good = a.link
	a.size += int64(n)
	return nil
}

// dateCache formats times; it remembers the second.
type dateCache struct {
	second int64
	text   []byte
}

// append writes t as RFC 3339 in UTC with nine digits of fraction.
func (d *dateCache) append(b []byte, t int64) []byte {
	second, nano := t/1e9, t%1e9
	if second != d.second || d.text == nil {
		d.second = second
		d.text = time.Unix(second, 0).UTC().AppendFormat(d.text[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, d.text...)
	for div := int64(1e8); div > 0; div /= 10 {
		b = append(b, byte('0'+nano/div%10))
	}
	return append(b, 'Z')
}

// SPDX-License-Identifier: MIT

package audit

import (
	"fmt"
	"hash/crc32"
	"regexp"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Names in a log directory.
const (
	lockName      = "LOCK"
	originName    = "origin"
	originTmpName = "origin.tmp"
	birthTmpName  = "birth.tmp" // first segment until its log is born
)

var segmentName = regexp.MustCompile(`^(\d{20})-([0-9a-f]{16})\.jsonl$`)

func segmentFile(base uint64, id string) string { return fmt.Sprintf("%020d-%s.jsonl", base, id) }

// segments picks the segment files out of a directory's names, in order.
func segments(names []string) []string {
	var out []string
	for _, n := range names {
		if segmentName.MatchString(n) {
			out = append(out, n)
		}
	}
	return out
}

// link is where a chain stands: what the next record continues.
type link struct {
	prev Hash // leaf hash of the last record
	tree tree // all records; its size is the next sequence number
}

// appender writes one segment. It is used by one goroutine at a time.
type appender struct {
	file vfs.File
	name string
	link link
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
func commonMembers(bootID string, node Node, origin string) []byte {
	e := encoder{b: []byte{'{'}, text: 512, exact: 512}
	text(&e, "boot_id", bootID, true)
	e.open("node")
	text(&e, "name", node.Name, true)
	text(&e, "uid", node.UID, true)
	e.close()
	text(&e, "log", origin, true)
	return append(append([]byte{','}, e.b[1:]...), ',')
}

// maxMid bounds the common members, and maxBody a line from kind on.
const (
	maxMid  = 768
	maxBody = MaxRecord - maxMid - 256
)

// add puts a record behind the others of this commit.
func (a *appender) add(s stamp, body []byte) {
	if len(a.buf) == 0 {
		a.buf = append(a.buf, 0)
	}
	at := len(a.buf)
	a.head(s)
	a.buf = append(a.buf, body...)
	a.seal(at)
}

func (a *appender) head(s stamp) {
	b := append(a.buf, `{"v":1,"seq":`...)
	b = appendUint(b, a.link.tree.size)
	e := encoder{b: b}
	e.hash("prev", a.link.prev)
	e.b = append(e.b, `,"time":"`...)
	e.b = a.date.append(e.b, s.time)
	e.b = append(e.b, `","mono":`...)
	e.b = appendUint(e.b, uint64(max(s.mono, 0)))
	a.buf = append(e.b, a.mid...)
}

// seal hashes the line that begins at position at and ends it.
func (a *appender) seal(at int) {
	a.link.prev = leafHashAt(a.buf, at)
	a.link.tree.add(a.link.prev)
	a.buf = append(a.buf, '\n')
}

// full says that the lines since the last commit are as many bytes as one
// commit may cover.
func (a *appender) full() bool { return len(a.buf) >= maxBatchBytes }

// commit ends the records added since the last commit with a commit record and
// makes them all durable.
func (a *appender) commit(s stamp) error {
	since := max(len(a.buf)-1, 0)
	if since == 0 {
		a.buf = append(a.buf[:0], 0)
	}
	at := len(a.buf)
	root := a.link.tree.root()
	a.head(s)
	e := encoder{b: a.buf}
	e.b = append(e.b, `"kind":"commit"`...)
	e.uint("size", a.link.tree.size)
	e.hash("head", a.link.prev)
	e.hash("root", root)
	e.uint("bytes", uint64(since))
	sum := crc32.Checksum(e.b[1:], castagnoli)
	e.b = fmt.Appendf(e.b, `,"crc32c":"%08x"}`, sum)
	a.buf = e.b
	a.seal(at)
	return a.flush()
}

func (a *appender) flush() error {
	defer func() { a.buf = a.buf[:0] }()
	if _, err := a.file.Write(a.buf[1:]); err != nil {
		return &FailedError{Op: "write", Segment: a.name, Err: err}
	}
	if err := a.file.Datasync(); err != nil {
		return &FailedError{Op: "sync", Segment: a.name, Err: err}
	}
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

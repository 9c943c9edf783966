// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"errors"
)

// doubt is about two neighbours: the second's prev is not the hash of the
// first. One of them was changed, and the record after them tells which: it
// holds the hash that the second had when it was written.
type doubt struct {
	first, second place
	want          Hash   // hash of the first as it is
	prev          Hash   // what the second says it is
	line          []byte // the second
	head          []byte // the first's hash once more, if the second is a commit record
	firstHolds    bool   // the first is a commit record that was checked by itself
}

func newDoubt(w *walker, r *parsed, line []byte) *doubt {
	d := &doubt{
		first: w.before, second: w.at, want: w.link.prev, prev: r.prev, line: bytes.Clone(line),
		firstHolds: w.since == 0 && w.rep.Commits > 0,
	}
	if isCommit(r.kind) {
		d.head = bytes.Clone(r.f.head)
	}
	return d
}

// settle names the bad record, given the prev of the record after both; nil if
// there is none that could be read.
func (d *doubt) settle(next *Hash) *BadRecord {
	var second bool
	switch {
	case next != nil:
		asWritten := bytes.Replace(d.line, []byte(d.prev.String()), []byte(d.want.String()), 1)
		second = LeafHash(asWritten) == *next
	case d.head != nil:
		second = string(d.head) == d.want.String()
	default:
		second = d.firstHolds
	}
	if second {
		return d.second.bad(errors.New("prev is not the hash of the record before it, which is intact"))
	}
	return d.first.bad(errors.New("hash is not the one that the next record holds: the record was changed"))
}

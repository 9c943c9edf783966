// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
)

// check looks into a record that follows the chain.
func (w *walker) check(r *parsed, b []byte) error {
	kind := string(r.kind)
	if (w.at.line == 1) != (kind == KindSegmentHeader) {
		return errors.New("a segment begins with a segment.header record and has no other")
	}
	if r.f.crc != nil && kind != KindCommit {
		return errors.New("record has a checksum but is not a commit record")
	}
	w.count(r.kind)
	switch kind {
	case KindSegmentHeader:
		return w.checkHeader(r)
	case KindCommit:
		return w.checkCommit(r, b)
	case KindRecovery:
		return w.checkRecovery(r)
	case KindDecision, KindGuardDenied, KindGuardAllowed:
		w.verdict(r, 1)
	case KindCounted:
		n, _ := scanUint(r.f.count)
		w.verdict(r, n)
	}
	return w.acct.record(w.parser.bootID, r)
}

func (w *walker) verdict(r *parsed, n uint64) {
	v := Verdict("other")
	for _, known := range [...]Verdict{Deny, Allow, WouldDeny, Audit} {
		if string(r.f.verdict) == string(known) {
			v = known
		}
	}
	w.rep.Verdicts[string(v)] += n
}

func (w *walker) checkHeader(r *parsed) error {
	base, ok := scanUint(r.f.base)
	if !ok || base != r.seq {
		return errors.New("segment header has another base than its own sequence number")
	}
	if !isHex(r.f.segment) || len(r.f.segment) != 16 {
		return errors.New("segment header has no valid segment id")
	}
	w.segmentID = string(r.f.segment)
	if !segmentName.MatchString(w.at.segment) {
		return nil // a single file under another name
	}
	if want := segmentFile(base, string(r.f.segment)); want != w.at.segment {
		return fmt.Errorf("segment header is that of %s", want)
	}
	return nil
}

// checkCommit checks a commit record against everything before it. The record
// before it may still be the bad one only if its successor's prev agrees with
// it, and then the checksum does not.
func (w *walker) checkCommit(r *parsed, b []byte) error {
	at := len(b) - crcSuffix
	if at < 0 || !bytes.HasPrefix(b[at:], crcKey) || !isHex(b[at+len(crcKey):len(b)-2]) {
		return errors.New("commit record does not end with its checksum")
	}
	var head, root Hash
	size, ok := scanUint(r.f.size)
	since, ok2 := scanUint(r.f.bytes)
	if !ok || !ok2 || !readHash(&head, r.f.head) || !readHash(&root, r.f.root) {
		return errors.New("commit record lacks size, head, root or bytes")
	}
	switch sum := crc32.Update(w.crc, castagnoli, b[:at]); {
	case size != r.seq:
		return fmt.Errorf("commit record is for %d records where there are %d", size, r.seq)
	case head != r.prev:
		return errors.New("commit record has another head than the hash of the record before it")
	case since != uint64(w.since):
		return fmt.Errorf("commit record is for %d bytes where there are %d", since, w.since)
	case fmt.Sprintf("%08x", sum) != string(r.f.crc):
		return fmt.Errorf("checksum over the bytes since the last commit is %08x, the commit record says %s", sum, r.f.crc)
	case !w.noTree && root != w.link.tree.root():
		return errors.New("commit record has another root than the records before it")
	}
	return nil
}

func (w *walker) checkRecovery(r *parsed) error {
	n, ok := scanUint(r.f.discarded)
	if !ok {
		return errors.New("recovery record does not say how many bytes were discarded")
	}
	if w.since != 0 {
		return errors.New("recovery record does not follow a commit record")
	}
	if n > maxTail {
		return fmt.Errorf("recovery record discards %d bytes, more than a crash can leave", n)
	}
	if len(w.rep.Recoveries) < 100 {
		w.rep.Recoveries = append(w.rep.Recoveries, Recovered{r.seq, n, string(r.f.sha256), string(r.f.file)})
	}
	return nil
}

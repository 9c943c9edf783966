// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
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
	if w.sealed && w.at.line > 1 {
		return errors.New("record follows the seal of its segment")
	}
	if r.f.crc != nil && !isCommit(r.kind) {
		return errors.New("record has a checksum but is not a commit record")
	}
	if c := w.mustReach; c != nil && c.Size == r.seq && c.Root != w.link.tree.root() {
		return fmt.Errorf("a checkpoint for %d records has another root than these records: they were changed since", c.Size)
	}
	w.count(r.kind)
	lossy := w.lossy
	w.lossy = kind == KindRecovery
	switch kind {
	case KindSegmentHeader:
		return w.checkHeader(b)
	case KindLogBirth:
		return w.checkBirth(r)
	case KindCommit:
		return w.checkCommit(r, b)
	case KindSegmentSealed:
		if err := w.checkCommit(r, b); err != nil {
			return err
		}
		return w.checkPoint(r, r.f.checkpoint)
	case KindCheckpoint:
		return w.checkPoint(r, r.f.note)
	case KindRecovery:
		return w.checkRecovery(r, lossy)
	case KindAccount:
		if w.header.Segment != w.carried {
			return nil // what was walked counts
		}
		return w.acct.carry(b)
	case KindPolicyApplied:
		return w.named(r)
	case KindSegmentRemoved:
		upTo, ok := scanUint(r.f.upTo)
		if !ok || upTo > r.seq {
			return errors.New("segment.removed record has no valid upto")
		}
		w.removed = max(w.removed, upTo)
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

// checkHeader checks a segment header against the segment before it.
func (w *walker) checkHeader(b []byte) error {
	h, err := parseHeader(b)
	if err != nil {
		return err
	}
	if h.link.tree.root() != w.link.tree.root() {
		return errors.New("segment header has another root than the records before it")
	}
	before := w.header
	switch {
	case before != nil && h.Previous != before.Segment:
		return errors.New("segment header does not name the segment before it")
	case h.Base == 0 && (h.Previous != "" || h.Abandoned != nil):
		return errors.New("the first segment names one before it")
	case before != nil && w.sealed != (h.Abandoned == nil), before != nil && h.Abandoned != nil && h.Abandoned.Commit != h.Base-1:
		return errors.New("segment header says of the segment before it what does not hold")
	}
	if segmentName.MatchString(w.at.segment) && h.name() != w.at.segment {
		return fmt.Errorf("segment header is that of %s", h.name())
	}
	if err := w.checkKey(h, before); err != nil {
		return err
	}
	w.header, w.sealed = h, false
	if w.onHeader != nil {
		w.onHeader(h)
	}
	return nil
}

// checkKey checks the certificate of a header, as far as it is known who has to
// sign it.
func (w *walker) checkKey(h, before *header) error {
	switch {
	case before != nil:
		return h.certified(before.Key)
	case h.Base == 0 && w.birth != nil:
		w.trusted = true
		if h.Key != w.birth.Key {
			return errors.New("the first segment is not signed by the birth key")
		}
		return h.certified(w.birth.Key)
	}
	return nil
}

// checkBirth compares the birth note in the log with the file of it.
func (w *walker) checkBirth(r *parsed) error {
	text, err := textOf(r.f.note)
	if err != nil || r.seq != 1 {
		return errors.New("birth record is not record 1, or has no note")
	}
	b, err := ParseBirth([]byte(text))
	if err != nil {
		return err
	}
	if w.header.Base != 0 || sha256.Sum256([]byte(text)) != w.header.link.prev || b.Key != w.header.Key {
		return errors.New("birth record is that of another log")
	}
	return nil
}

// checkPoint checks a checkpoint: who signed it, and what it says.
func (w *walker) checkPoint(r *parsed, quoted []byte) error {
	text, err := textOf(quoted)
	if err != nil {
		return errors.New("record has no checkpoint")
	}
	c, err := ParseCheckpoint([]byte(text), w.header.Key)
	if err != nil {
		return err
	}
	if want := (Checkpoint{w.rep.Origin, r.seq, w.link.tree.root()}); *c != want {
		return fmt.Errorf("checkpoint is for %d records with root %s, where there are %d with root %s", c.Size, c.Root, want.Size, want.Root)
	}
	w.rep.Signed = c.Size
	if w.onCheckpoint != nil {
		w.onCheckpoint(r.seq, c, []byte(text))
	}
	return nil
}

// textOf is the text that a quoted value stands for.
func textOf(quoted []byte) (s string, err error) {
	err = json.Unmarshal(quoted, &s)
	return s, err
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
	case root != w.link.tree.root():
		return errors.New("commit record has another root than the records before it")
	}
	return nil
}

func (w *walker) checkRecovery(r *parsed, lossy bool) error {
	n, ok := scanUint(r.f.discarded)
	if !ok {
		return errors.New("recovery record does not say how many bytes were discarded")
	}
	if w.since != 0 && !lossy {
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

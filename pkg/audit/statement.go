// SPDX-License-Identifier: MIT

package audit

import "fmt"

// statement says in words what the report proves.
func (r *Report) statement(single bool) []string {
	var s []string
	add := func(format string, args ...any) { s = append(s, fmt.Sprintf(format, args...)) }
	switch {
	case r.Bad != nil && r.Bad.Segment == originName:
		add("The log does not hold: %s.", r.Bad.Problem)
	case r.Bad != nil:
		add("Record %d does not hold (%s line %d, byte %d): %s.", r.Bad.Seq, r.Bad.Segment, r.Bad.Line, r.Bad.Offset, r.Bad.Problem)
		add("The %d records before it hold. Nothing from it on is proven.", r.Records)
	case r.Committed == nil:
		add("No commit record: nothing in this log was ever durable.")
	default:
		add("Complete from record %d to %d: every record is the one that its successor and the commit record name.", r.FirstSeq, r.Committed.Seq)
	}
	if r.Bad == nil && r.TailBytes > 0 {
		add("%d bytes after the last commit record (%d whole records) are not part of the log yet. A writer at work or a crash leaves such bytes; the next start sets them aside.", r.TailBytes, r.TailRecords)
	}
	if r.Signed > 0 && r.Key != "" {
		known := "Whether that is this node's key only whoever registered it can tell (--key)."
		if r.KeyKnown {
			known = "It is the one that was given."
		}
		add("Signed: the first %d records, by keys that follow from the birth key %s. %s", r.Signed, r.Key, known)
	}
	if single {
		add("A single segment was checked: that it follows what came before, and belongs to an origin, was not.")
	}
	for _, v := range r.Recoveries {
		add("At record %d, %d bytes after the last commit were set aside as %s.", v.Seq, v.Discarded, v.File)
	}
	if n := r.Kinds[KindClockStep]; n > 0 {
		add("The clock was set %d times. Records are in the order of their numbers, whatever their times say.", n)
	}
	if r.Sources+r.SourcesMissing > 0 && r.Bad == nil {
		add("Policies: the exact source of %d is in the directory sources, named by its hash; of %d it is not there.", r.Sources, r.SourcesMissing)
	}
	b := &r.Balance
	add("Kernel decisions: %d in the log, %d counted, %d declared lost, %d unexplained, %d not confirmed yet.", b.Seen, b.Counted, b.Declared, b.Unexplained, b.Open)
	if b.Repeated > 0 {
		add("%d kernel sequence numbers occur twice.", b.Repeated)
	}
	switch c := r.Committed; {
	case r.Bad != nil || c == nil:
	case r.Anchored > 0:
		add("Proven against %s: the first %d records are those that it names. %d committed records after them hold together, and are not anchored yet.", r.anchor().Source, r.Anchored, c.Size-r.Anchored)
	default:
		add("No anchor was given. Without one nothing shows that the log was not cut back to an earlier commit record or replaced as a whole by an older copy.")
	}
	if c := r.Committed; r.Bad == nil && c != nil {
		add("To prove that later, keep these outside the node now: %d records, root %s.", c.Size, c.Root)
	}
	return s
}

// anchor is the largest one that the log meets.
func (r *Report) anchor() *AnchorResult {
	for i := len(r.Anchors) - 1; i >= 0; i-- {
		if r.Anchors[i].State == AnchorMet {
			return &r.Anchors[i]
		}
	}
	return nil
}

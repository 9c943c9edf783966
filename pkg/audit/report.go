// SPDX-License-Identifier: MIT

package audit

import (
	"encoding/json"
	"io"
)

// Exit codes of a verification, see [Report.ExitCode].
const (
	// ExitProven: everything in the log holds together up to its last commit
	// record, the kernel's counters balance, and an anchor from elsewhere says
	// that it is the log that it was.
	ExitProven = 0
	// ExitTampered: a record contradicts another one, or itself, and no crash
	// explains it.
	ExitTampered = 1
	// ExitIncomplete: there are bytes after the last commit record, or no
	// commit record at all: a crash leaves a log like that. Or nothing is wrong,
	// but there is no anchor, so that the end may be cut off.
	ExitIncomplete = 2
	// ExitLoss: the chain holds, but decisions of the kernel are neither in the
	// log nor declared lost.
	ExitLoss = 3
)

// Report is what a verification found.
type Report struct {
	Path     string   `json:"path"`
	Verdict  Outcome  `json:"verdict"`
	Origin   string   `json:"origin,omitempty"`
	Key      string   `json:"key,omitempty"`       // birth key
	KeyKnown bool     `json:"key_known,omitempty"` // it is the one that was given
	Segments []string `json:"segments"`

	Records   uint64     `json:"records"`   // whole lines that verify, committed or not
	FirstSeq  uint64     `json:"first_seq"` // of the records present
	LastSeq   uint64     `json:"last_seq"`
	FirstTime string     `json:"first_time,omitempty"`
	LastTime  string     `json:"last_time,omitempty"`
	Commits   uint64     `json:"commits"`
	Committed *Committed `json:"committed"` // the last commit record; nil if there is none

	TailBytes   int64  `json:"tail_bytes"`   // after the last commit record
	TailRecords uint64 `json:"tail_records"` // whole records among them

	// Policies that were applied and whose source is beside the log, or is not.
	Sources        int `json:"sources"`
	SourcesMissing int `json:"sources_missing"`

	// Signed is how many records the last signature in the log covers.
	Signed uint64 `json:"signed"`

	Bad *BadRecord `json:"bad,omitempty"` // the first bad record; nil if there is none

	Anchors  []AnchorResult `json:"anchors,omitempty"`
	Anchored uint64         `json:"anchored"` // records that are those of an anchor

	// Counts may include the bad record itself.
	Kinds      map[string]uint64 `json:"kinds"`
	Verdicts   map[string]uint64 `json:"verdicts"` // of decision records, and of counted ones with their counts
	Recoveries []Recovered       `json:"recoveries,omitempty"`
	Balance    Balance           `json:"balance"`

	Statement []string `json:"statement"` // what is and is not proven, in words

	unanchored bool // no anchor is asked for
}

// Outcome is the verdict in a word.
type Outcome string

const (
	Proven          Outcome = "proven"
	Tampered        Outcome = "tampered"
	Incomplete      Outcome = "incomplete"
	Unanchored      Outcome = "unanchored"
	LossUnexplained Outcome = "unexplained-loss"
)

// Committed is where the last commit record ends.
type Committed struct {
	Seq     uint64 `json:"seq"` // of the commit record itself
	Segment string `json:"segment"`
	Offset  int64  `json:"offset"` // of the first byte after it
	Size    uint64 `json:"size"`   // records in the tree it commits to
	Root    string `json:"root"`   // RFC 6962 root of these, in hex
	Head    string `json:"head"`   // leaf hash of the last of these, in hex
}

// BadRecord is the first record that does not hold.
type BadRecord struct {
	Segment string `json:"segment"` // file name, or "origin"
	Line    uint64 `json:"line"`    // in that file, from 1
	Seq     uint64 `json:"seq"`     // sequence number that belongs there
	Offset  int64  `json:"offset"`  // of the line's first byte in the file
	Problem string `json:"problem"`
}

// Recovered is a recovery record: bytes that a crash left behind the last
// commit record were set aside.
type Recovered struct {
	Seq       uint64 `json:"seq"`
	Discarded uint64 `json:"discarded"` // bytes
	SHA256    string `json:"sha256"`
	File      string `json:"file"` // where the bytes were kept
}

// ExitCode is the verdict as an exit status. A bad record outweighs loss, and
// loss an incomplete end.
func (r *Report) ExitCode() int {
	switch r.verdict() {
	case Tampered:
		return ExitTampered
	case LossUnexplained:
		return ExitLoss
	case Incomplete:
		return ExitIncomplete
	case Unanchored:
		if !r.unanchored {
			return ExitIncomplete
		}
	}
	return ExitProven
}

func (r *Report) verdict() Outcome {
	switch {
	case r.Bad != nil:
		return Tampered
	case r.Balance.Unexplained > 0:
		return LossUnexplained
	case r.Committed == nil || r.TailBytes > 0:
		return Incomplete
	case r.Anchored == 0:
		return Unanchored
	}
	return Proven
}

// JSON writes the report as one indented JSON object.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// SPDX-License-Identifier: MIT

// Package safeclaw checks the log that SafeClaw itself writes: JSON lines, each
// with the SHA-256 of the line before it. It is not the node agent's format; what
// such a chain cannot prove is said with every result.
package safeclaw

import "fmt"

// Verdict is what a check came to.
type Verdict string

const (
	// Proven: the chain holds, and the anchor given lies in it.
	Proven Verdict = "proven"
	// Tampered: a line contradicts its neighbour or the anchor, or is no entry.
	Tampered Verdict = "tampered"
	// Incomplete: the last line is cut off, or there is no entry at all.
	Incomplete Verdict = "incomplete"
	// Unanchored: the chain holds, which anybody who can write the file can bring
	// about.
	Unanchored Verdict = "unanchored"
)

// Anchor is what somebody else wrote down of a log earlier: how many lines it
// had, and the SHA-256 of the last of them.
type Anchor struct {
	Lines uint64 `json:"lines"`
	Hash  string `json:"sha256"` // 64 lower-case hex digits
}

// Bad is the first line that does not hold.
type Bad struct {
	Line    uint64 `json:"line"`   // from 1; empty lines count
	Offset  int64  `json:"offset"` // of its first byte
	Problem string `json:"problem"`
}

// Report is what a check found.
type Report struct {
	Path      string   `json:"path"`
	Verdict   Verdict  `json:"verdict"`
	Entries   uint64   `json:"entries"`   // lines that are entries, up to the first bad one
	Unchained uint64   `json:"unchained"` // of those, from before SafeClaw had a chain
	Head      string   `json:"head"`      // SHA-256 of the last entry
	TailBytes int64    `json:"tail_bytes"`
	Bad       *Bad     `json:"bad,omitempty"`
	Anchored  uint64   `json:"anchored"` // entries that the anchor covers
	Statement []string `json:"statement"`
}

// ExitCode is the verdict as an exit status, as for the node agent's own logs.
func (r *Report) ExitCode() int {
	switch r.Verdict {
	case Proven:
		return 0
	case Tampered:
		return 1
	default:
		return 2
	}
}

// verdict and statement are set once the file is read.
func (r *Report) finish(anchor *Anchor) {
	add := func(format string, args ...any) { r.Statement = append(r.Statement, fmt.Sprintf(format, args...)) }
	switch {
	case r.Bad != nil:
		r.Verdict = Tampered
		add("Line %d (byte %d) does not hold: %s.", r.Bad.Line, r.Bad.Offset, r.Bad.Problem)
	case r.Entries == 0:
		r.Verdict = Incomplete
		add("There is no entry. SafeClaw's own check calls an empty or a missing file valid; whether there were entries cannot be told from it.")
	case r.TailBytes > 0:
		r.Verdict = Incomplete
		add("The last line has no newline (%d bytes): it was cut off. The entries before it follow one another.", r.TailBytes)
	case r.Anchored > 0:
		r.Verdict = Proven
		add("The first %d entries are those that the anchor names; %d after them follow one another, and are not anchored.", r.Anchored, r.Entries-r.Anchored)
	default:
		r.Verdict = Unanchored
		add("%d entries follow one another.", r.Entries)
	}
	if r.Unchained > 0 {
		add("%d entries at the beginning have no prevHash. Only the last of them is named by its successor: the others may be anything.", r.Unchained)
	}
	if anchor == nil {
		add("The chain has no key, no number and no anchor. It proves that no entry was changed, added, moved or removed by somebody who did not compute the later hashes anew, which takes a moment.")
	}
	add("It cannot prove that the end was not cut off, that the file is not an older copy, that it was not rotated away (a rotated file begins at GENESIS again, and the one before is deleted), nor who wrote it, when, or that what happened was written at all.")
	if r.Bad == nil && r.Entries > 0 {
		add("To prove the past later, keep this elsewhere now: %d:%s", r.Entries, r.Head)
	}
}

// SPDX-License-Identifier: MIT

package audit

import (
	"cmp"
	"fmt"
	"slices"
)

// Anchor is what a log was at some time, as somebody knows it from elsewhere: a
// checkpoint that left the node, or a size and a root that were written down.
type Anchor struct {
	Origin string `json:"origin,omitempty"` // empty: not known
	Size   uint64 `json:"size"`             // records
	Root   Hash   `json:"-"`                // RFC 6962 root of these
	Source string `json:"source"`           // where it is from, for the report
}

// AnchorState is what became of an anchor.
type AnchorState string

const (
	// AnchorMet: the log up to there is the one that the anchor names.
	AnchorMet AnchorState = "met"
	// AnchorBroken: it is another one, or shorter.
	AnchorBroken AnchorState = "broken"
	// AnchorUnknown: what it names is not in the files any more, and no later
	// record says what it was.
	AnchorUnknown AnchorState = "not checked"
)

// AnchorResult is an anchor and what became of it.
type AnchorResult struct {
	Anchor
	RootHex string      `json:"root"`
	State   AnchorState `json:"state"`
}

// anchors are compared with the tree as it grows.
type anchors struct {
	list []AnchorResult // by size
	next int            // the first that the tree has not reached
}

func newAnchors(given []Anchor) anchors {
	var a anchors
	for _, g := range given {
		a.list = append(a.list, AnchorResult{Anchor: g, RootHex: g.Root.String(), State: AnchorUnknown})
	}
	slices.SortStableFunc(a.list, func(x, y AnchorResult) int { return cmp.Compare(x.Size, y.Size) })
	return a
}

// begin says how many records came before those that are there. What the tree
// was when it was smaller is not known.
func (a *anchors) begin(size uint64) {
	for a.next < len(a.list) && a.list[a.next].Size < size {
		a.next++
	}
}

// reach compares the anchors for the tree's size, and returns what is wrong.
func (a *anchors) reach(t *tree) error {
	for a.next < len(a.list) && a.list[a.next].Size == t.size {
		r := &a.list[a.next]
		a.next++
		if root := t.root(); root != r.Root {
			r.State = AnchorBroken
			return fmt.Errorf("the first %d records are others than those that the anchor %s names: this record or one before it was changed, and every hash after it computed anew", r.Size, r.Source)
		}
		r.State = AnchorMet
	}
	return nil
}

// end says that the log has no more committed records than this, and returns
// what is wrong.
func (a *anchors) end(committed uint64) error {
	for i := len(a.list) - 1; i >= a.next && a.list[i].Size > committed; i-- {
		a.list[i].State = AnchorBroken
	}
	if n := len(a.list); n > 0 && a.list[n-1].Size > committed {
		r := &a.list[n-1]
		return fmt.Errorf("the log ends after %d committed records, the anchor %s names %d: its end was cut off, or this is an older copy", committed, r.Source, r.Size)
	}
	return nil
}

// origin returns the first anchor that names another log.
func (a *anchors) origin(log string) error {
	for i := range a.list {
		if r := &a.list[i]; r.Origin != "" && r.Origin != log {
			r.State = AnchorBroken
			return fmt.Errorf("the anchor %s is of the log %q", r.Source, r.Origin)
		}
	}
	return nil
}

// met is the size of the largest anchor that the log meets.
func (a *anchors) met() uint64 {
	var size uint64
	for _, r := range a.list {
		if r.State == AnchorMet {
			size = max(size, r.Size)
		}
	}
	return size
}

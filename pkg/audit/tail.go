// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"io"
)

// TailOptions of [Tail].
type TailOptions struct {
	N      int  // records to begin with; 0: ten, negative: all
	Follow bool // wait for more until ctx ends
	All    bool // also commits, heartbeats and segment headers
	JSON   bool // lines as they are in the log instead of a table
	Color  bool
}

// Tail prints the last records of the log in a directory. Values are made safe
// for terminals. Records may be printed before they are committed.
func Tail(ctx context.Context, dir string, opts TailOptions, w io.Writer) error {
	panic("not yet")
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer, color bool) error { panic("not yet") }

// SPDX-License-Identifier: MIT

package audit

import "context"

// Open starts a log in dir, or continues the one there after verifying it. What
// a crash left behind the last commit record is kept in a file beside the
// segment, cut off, and recorded. ctx ends the verification only.
//
// Errors: [ErrLocked] if another writer has the log, *[CorruptionError] if the
// log does not verify, *[OriginError] if it is not this node's.
func Open(ctx context.Context, dir string, opts Options) (*Log, error) {
	panic("not yet")
}

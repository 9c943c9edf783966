// SPDX-License-Identifier: MIT

package audit

import (
	"context"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// VerifyOptions of [Verify]. Keys and anchors will join them.
type VerifyOptions struct {
	FS vfs.FS // default: the operating system's
}

// Verify reads the log in a directory, or a single segment file, from beginning
// to end in constant memory and reports what it found. What is wrong with the
// log is in the report; an error means that it could not be read, or is
// [ErrNoLog].
func Verify(ctx context.Context, path string, opts VerifyOptions) (*Report, error) {
	panic("not yet")
}

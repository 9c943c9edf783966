// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"fmt"
)

var (
	// ErrQueueFull is returned by [Log.Append] when the disk is too slow for the
	// records arriving. The record was not taken; the caller counts it and
	// declares it in a [Loss] record later.
	ErrQueueFull = errors.New("audit queue is full")

	// ErrRecordTooLarge is returned by [Log.Append] for a record that exceeds
	// [MaxRecord] even with all its texts shortened.
	ErrRecordTooLarge = errors.New("audit record is too large")

	// ErrClosed is returned by operations on a log after [Log.Close].
	ErrClosed = errors.New("audit log is closed")

	// ErrLocked is returned by [Open] when another writer has the log open.
	ErrLocked = errors.New("audit log is in use by another writer")

	// ErrNoLog is returned by [Verify] and [Tail] for a directory in which no
	// log was ever started.
	ErrNoLog = errors.New("no audit log here")
)

// errOldFormat is about logs of development versions.
var errOldFormat = errors.New("log is of format version 1, which only development versions wrote; this one reads and writes version 2: move the directory away to begin a new log")

// FailedError is returned by every operation on a log after a write or a sync
// has failed. Such a log takes no more records: after a failed sync the page
// cache may show bytes that the disk does not have, so a second try would prove
// nothing. Records appended but not yet flushed may be lost. The caller may
// close the log and [Open] it again, which verifies it and keeps what is
// durable.
type FailedError struct {
	Op      string // what was tried: "write" or "sync"
	Segment string // file name of the segment
	Err     error
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("audit log failed: %s %s: %v", e.Op, e.Segment, e.Err)
}

func (e *FailedError) Unwrap() error { return e.Err }

// CorruptionError says that a log contradicts itself in a way that a crash
// cannot explain. [Open] returns it instead of continuing the log; nothing has
// been changed or deleted.
type CorruptionError struct {
	Segment string // file name of the segment, or "origin"
	Offset  int64  // first byte of the bad record in that file
	Seq     uint64 // sequence number that belongs there
	Err     error  // what is wrong
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("audit log is damaged at %s offset %d (record %d): %v", e.Segment, e.Offset, e.Seq, e.Err)
}

func (e *CorruptionError) Unwrap() error { return e.Err }

// OriginError is returned by [Open] for a directory that holds the log of
// another node or cluster.
type OriginError struct {
	Have string // origin of the log found
	Want string // cluster and node asked for
}

func (e *OriginError) Error() string {
	return fmt.Sprintf("audit log belongs to %q, not to %q", e.Have, e.Want)
}

// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"time"
)

// maxUnsigned is the longest time by a log's own clock for which what was
// committed may lack a signature: the writer makes a checkpoint with the first
// commit after a second. The rest is for machines that stand still.
const maxUnsigned = 11 * time.Second

// signing watches that a log goes on being signed. Whoever takes the checkpoints
// out, or writes records without the key, leaves a span without any.
type signing struct {
	boot  string
	open  bool   // something committed is not signed for
	since uint64 // boottime of the first commit that covers it
	batch bool   // the records since the last commit are to be signed for
}

// record is told of every record that holds otherwise.
func (s *signing) record(kind, boot string, mono uint64) error {
	if boot != s.boot {
		s.boot, s.since = boot, mono
	}
	switch kind {
	case KindSegmentHeader, KindCheckpoint, KindSegmentSealed:
		s.open, s.batch = false, false
	case KindCommit:
		if !s.batch {
			return nil
		}
		s.batch = false
		switch {
		case !s.open:
			s.open, s.since = true, mono
		case mono > s.since && mono-s.since > uint64(maxUnsigned):
			return errors.New("nothing was signed for longer than a writer lets it be: checkpoints were taken out, or records written without the key")
		}
	case KindAccount, KindLogBirth, KindKeyRotated, KindSegmentRemoved, KindShipAcked, KindShipLagging, KindClockStep, KindRecovery:
		// The log writes these by itself; they wait for the next checkpoint.
	default:
		s.batch = true
	}
	return nil
}

// SPDX-License-Identifier: MIT

package audit

import (
	"testing"
	"time"
)

func TestUnsignedSpan(t *testing.T) {
	type rec struct {
		kind, boot string
		at         time.Duration
	}
	const sec, hour = time.Second, time.Hour
	for name, c := range map[string]struct {
		recs []rec
		bad  int // index of the one that is refused; -1: none
	}{
		"signed in time":         {[]rec{{KindSegmentHeader, "a", 0}, {KindDecision, "a", sec}, {KindCommit, "a", sec}, {KindCheckpoint, "a", 2 * sec}, {KindCommit, "a", 2 * sec}, {KindDecision, "a", hour}, {KindCommit, "a", hour}}, -1},
		"a stalled disk":         {[]rec{{KindDecision, "a", 0}, {KindCommit, "a", 0}, {KindDecision, "a", sec}, {KindCheckpoint, "a", hour}, {KindCommit, "a", hour}, {KindDecision, "a", sec}, {KindCommit, "a", hour}}, -1},
		"no signature":           {[]rec{{KindSegmentHeader, "a", 0}, {KindDecision, "a", 0}, {KindCommit, "a", 0}, {KindDecision, "a", 12 * sec}, {KindCommit, "a", 12 * sec}}, 4},
		"a seal is one":          {[]rec{{KindDecision, "a", 0}, {KindCommit, "a", 0}, {KindDecision, "a", hour}, {KindSegmentSealed, "a", hour}, {KindSegmentHeader, "a", hour}, {KindCommit, "a", hour}}, -1},
		"the log's own records":  {[]rec{{KindDecision, "a", 0}, {KindCommit, "a", 0}, {KindRecovery, "a", hour}, {KindCommit, "a", hour}, {KindAgentStart, "a", hour}, {KindCheckpoint, "a", hour}, {KindCommit, "a", hour}}, -1},
		"a recovery is none":     {[]rec{{KindDecision, "a", 0}, {KindCommit, "a", 0}, {KindRecovery, "a", hour}, {KindCommit, "a", hour}, {KindAgentStart, "a", hour}, {KindCommit, "a", hour}}, 5},
		"another boot":           {[]rec{{KindDecision, "a", hour}, {KindCommit, "a", hour}, {KindDecision, "b", sec}, {KindCommit, "b", sec}, {KindDecision, "b", 13 * sec}, {KindCommit, "b", 13 * sec}}, 5},
		"a clock that goes back": {[]rec{{KindDecision, "a", hour}, {KindCommit, "a", hour}, {KindDecision, "a", sec}, {KindCommit, "a", sec}}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			var s signing
			for i, r := range c.recs {
				if err := s.record(r.kind, r.boot, uint64(r.at)); (err != nil) != (i == c.bad) {
					t.Fatalf("record %d: %v", i, err)
				}
			}
		})
	}
}

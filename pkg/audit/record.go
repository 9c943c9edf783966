// SPDX-License-Identifier: MIT

package audit

// FormatVersion is the v of every record written by this package.
const FormatVersion = 1

// MaxRecord is the largest line in bytes, without its newline.
const MaxRecord = 16 << 10

// Kinds of records. The set grows with later versions; a reader that does not
// know a kind still verifies the record.
const (
	KindSegmentHeader  = "segment.header"
	KindSegmentSealed  = "segment.sealed"
	KindSegmentRemoved = "segment.removed"
	KindAccount        = "account"
	KindLogBirth       = "log.birth"
	KindKeyRotated     = "key.rotated"
	KindCheckpoint     = "checkpoint"
	KindShipAcked      = "ship.acked"
	KindShipLagging    = "ship.lagging"
	KindClockStep      = "clock.step"
	KindCommit         = "commit"
	KindRecovery       = "recovery"
	KindAgentStart     = "agent.start"
	KindAgentStop      = "agent.stop"
	KindPolicyApplied  = "policy.applied"
	KindPolicyRejected = "policy.rejected"
	KindPolicyRemoved  = "policy.removed"
	KindPodClaimed     = "pod.claimed"
	KindPodReleased    = "pod.released"
	KindDecision       = "decision"
	KindCounted        = "counted"
	KindLoss           = "loss"
	KindHeartbeat      = "heartbeat"
	KindDisabled       = "disabled"
	KindEnabled        = "enabled"
	KindGuardDenied    = "guard.denied"
	KindGuardAllowed   = "guard.allowed"
	KindGuardHeld      = "guard.held"
)

// Record is one of the record types of this package: [Decision], [Counted],
// [AgentStart], [AgentStop], [PolicyApplied], [PolicyRemoved], [Binding],
// [Loss], [OffSwitch], [Heartbeat], [Guard] or [GuardHeld]. Segment headers, commits and recoveries are written by
// the log itself.
type Record interface {
	// Kind is the record's kind as it stands in the log.
	Kind() string
	// appendFields writes the members after kind.
	appendFields(e *encoder)
	// critical says that the record is to be durable at once, not with the
	// next group.
	critical() bool
}

// splitter is a record whose lists may be too long for one line.
type splitter interface {
	// split returns the parts in the order to be written, or nil if the record
	// fits one line.
	split() []Record
}

// Hash is a SHA-256 value. It is written as 64 lower-case hex digits.
type Hash [32]byte

// Node says on which node a log is written.
type Node struct {
	Name string
	UID  string
}

// FileID names a file independent of its path.
type FileID struct {
	Dev uint64 // device number as the kernel has it (major << 20 | minor)
	Ino uint64
}

func (f FileID) appendTo(e *encoder, key string) {
	if f == (FileID{}) {
		return
	}
	e.open(key)
	e.uint("dev", f.Dev)
	e.uint("ino", f.Ino)
	e.close()
}

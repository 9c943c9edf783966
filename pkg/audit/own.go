// SPDX-License-Identifier: MIT

package audit

// Records that the log writes by itself; commit records are built in segment.go
// because their checksum covers what is before them.

// segmentHeader is the first record of a segment.
type segmentHeader struct {
	Segment   string // id, as in the file name
	Base      uint64 // sequence number of this record
	Key       string // public
	Root      Hash   // of the records before
	Edge      []Hash // their compact range
	Previous  string // id of the segment before
	Abandoned *abandoned
	Cert      string
}

// abandoned says that the segment before has no seal.
type abandoned struct {
	Commit  uint64 // sequence number of its last commit record
	Problem string
}

func (*segmentHeader) Kind() string   { return KindSegmentHeader }
func (*segmentHeader) critical() bool { return true }

func (h *segmentHeader) appendFields(e *encoder) {
	e.name("segment", h.Segment)
	e.uint("base", h.Base)
	e.name("key", h.Key)
	e.hash("root", h.Root)
	e.list("edge", len(h.Edge), func(i int) { appendQuoted(e, h.Edge[i].String()) })
	text(e, "previous", h.Previous, false)
	if h.Abandoned != nil {
		e.open("abandoned")
		e.uint("commit", h.Abandoned.Commit)
		text(e, "problem", h.Abandoned.Problem, true)
		e.close()
	}
	e.name("cert", h.Cert)
}

// sealed is the last record of a segment, but for the members of a commit.
type sealed struct {
	Segment    string
	Base       uint64
	Reason     string // "size" or "age"
	Checkpoint string
}

func (*sealed) Kind() string   { return KindSegmentSealed }
func (*sealed) critical() bool { return true }

func (s *sealed) appendFields(e *encoder) {
	e.name("segment", s.Segment)
	e.uint("base", s.Base)
	e.name("reason", s.Reason)
	e.name("checkpoint", s.Checkpoint)
}

// commitRecord is a commit without its members.
type commitRecord struct{}

func (*commitRecord) Kind() string          { return KindCommit }
func (*commitRecord) critical() bool        { return false }
func (*commitRecord) appendFields(*encoder) {}

// logBirth is record 1 of a log.
type logBirth struct{ Note string }

func (*logBirth) Kind() string              { return KindLogBirth }
func (*logBirth) critical() bool            { return true }
func (b *logBirth) appendFields(e *encoder) { e.name("note", b.Note) }

// checkpointRecord holds a signed checkpoint.
type checkpointRecord struct{ Note string }

func (*checkpointRecord) Kind() string              { return KindCheckpoint }
func (*checkpointRecord) critical() bool            { return false }
func (c *checkpointRecord) appendFields(e *encoder) { e.name("note", c.Note) }

// keyRotated says that a private key was erased.
type keyRotated struct{ Segment, From, To string }

func (*keyRotated) Kind() string   { return KindKeyRotated }
func (*keyRotated) critical() bool { return false }

func (k *keyRotated) appendFields(e *encoder) {
	e.name("segment", k.Segment)
	e.name("from", k.From)
	e.name("to", k.To)
}

// segmentRemoved says that retention is about to remove a segment.
type segmentRemoved struct {
	Segment    string
	Base, UpTo uint64
	Bytes      int64
	Reason     string // "size", "age" or "disk-full"
	Acked      uint64
}

func (*segmentRemoved) Kind() string   { return KindSegmentRemoved }
func (*segmentRemoved) critical() bool { return true }

func (r *segmentRemoved) appendFields(e *encoder) {
	e.name("segment", r.Segment)
	e.uint("base", r.Base)
	e.uint("upto", r.UpTo)
	e.int("bytes", r.Bytes)
	e.name("reason", r.Reason)
	if r.Acked > 0 {
		e.uint("acked", r.Acked)
	}
}

// recovery says that bytes after a commit record were set aside.
type recovery struct {
	Commit     uint64 // sequence number of the commit record that is now the last
	Discarded  uint64 // bytes
	Records    uint64 // whole records among them
	SHA256     *Hash  // of the bytes; nil: they were not read
	File       string // where they are kept
	Reason     string
	BootBefore string // boot id of that commit record
	BootNow    string
}

func (*recovery) Kind() string   { return KindRecovery }
func (*recovery) critical() bool { return true }

func (r *recovery) appendFields(e *encoder) {
	e.uint("commit", r.Commit)
	e.uint("discarded", r.Discarded)
	e.uint("records", r.Records)
	if r.SHA256 != nil {
		e.hash("sha256", *r.SHA256)
	}
	text(e, "file", r.File, true)
	text(e, "reason", r.Reason, true)
	text(e, "boot_before", r.BootBefore, true)
	text(e, "boot_now", r.BootNow, true)
}

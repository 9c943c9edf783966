// SPDX-License-Identifier: MIT

package audit

// Records that the log writes by itself; commit records are built in segment.go
// because their checksum covers what is before them.

// segmentHeader is the first record of a segment.
type segmentHeader struct {
	Segment string // id, as in the file name
	Base    uint64 // sequence number of this record
}

func (*segmentHeader) Kind() string   { return KindSegmentHeader }
func (*segmentHeader) critical() bool { return true }

func (h *segmentHeader) appendFields(e *encoder) {
	e.name("segment", h.Segment)
	e.uint("base", h.Base)
}

// recovery says that bytes after a commit record were set aside.
type recovery struct {
	Commit     uint64 // sequence number of the commit record that is now the last
	Discarded  uint64 // bytes
	Records    uint64 // whole records among them
	SHA256     Hash   // of the bytes
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
	e.hash("sha256", r.SHA256)
	text(e, "file", r.File, true)
	text(e, "reason", r.Reason, true)
	text(e, "boot_before", r.BootBefore, true)
	text(e, "boot_now", r.BootNow, true)
}

// SPDX-License-Identifier: MIT

package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// recover sets the torn tail of a segment aside, cuts it off and records that;
// section 5 of the format. A crash between any two steps leaves a log that this
// repairs again: until the truncation nothing of the segment has changed, and
// after it only the record of the repair is missing, which the kept file
// replaces as evidence.
func (o *opener) recover(w *walker, out *appender) error {
	from, size := w.good.offset, w.rep.TailBytes
	kept := fmt.Sprintf("%s.torn-%d", out.name, o.opts.Machine.Now().UnixNano())
	sum, err := o.keep(io.NewSectionReader(out.file, from, size), kept)
	if err != nil {
		return fmt.Errorf("keep torn tail: %w", err)
	}
	if err := out.file.Truncate(from); err != nil {
		return err
	}
	if err := out.file.Sync(); err != nil {
		return err
	}
	rec := &recovery{
		Commit: w.rep.Committed.Seq, Discarded: uint64(size), Records: w.rep.TailRecords, SHA256: &sum,
		File: kept, Reason: "torn tail", BootBefore: w.good.boot, BootNow: o.boot,
	}
	if err := out.record(o.dir.stamp(), rec); err != nil {
		return err
	}
	if err := out.commit(o.dir.stamp()); err != nil {
		return err
	}
	o.opts.Logger.Warn("audit log recovered", "segment", out.name, "commit", rec.Commit,
		"discarded", size, "records", rec.Records, "kept", kept)
	return nil
}

// keep copies src to a new file in the log directory and makes it durable.
func (o *opener) keep(src io.Reader, name string) (sum Hash, err error) {
	f, err := o.dir.fs.Create(o.dir.join(name))
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), src)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		// The segment has these bytes still. On a full disk every try would leave a part of them.
		return sum, errors.Join(err, o.dir.fs.Remove(o.dir.join(name)))
	}
	h.Sum(sum[:0])
	return sum, o.dir.fs.SyncDir(o.dir.path)
}

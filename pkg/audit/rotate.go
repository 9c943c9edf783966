// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// directory is a log's directory as its writer has it. It is used by one
// goroutine at a time.
type directory struct {
	fs      vfs.FS
	path    string
	machine vfs.Machine
	origin  string
	mid     []byte // see commonMembers

	headers int64   // length of the file of headers up to its last whole line
	owed    []byte  // header lines that are not in it yet
	erase   *erased // the private key that is to go
	// published has its name, but the directory is not synced since.
	published *appender
}

// erased is a private key that another has taken the place of.
type erased struct {
	file string
	key  *segmentKey
	by   *appender
}

func (d *directory) join(name string) string { return filepath.Join(d.path, name) }

func (d *directory) stamp() stamp {
	return stamp{d.machine.Now().UnixNano(), int64(d.machine.Boottime())}
}

// rename gives a file its final name, durably.
func (d *directory) rename(from, to string) error {
	if err := d.fs.Rename(d.join(from), d.join(to)); err != nil {
		return err
	}
	return d.fs.SyncDir(d.path)
}

// next makes the segment after old: its key and all of its first commit are
// durable before it has its name, and a crash before that leaves old the last
// one. Unless old is sealed, problem says why it is abandoned. If next fails it
// can be tried again.
func (d *directory) next(old *appender, problem error, acct []Record) (*appender, error) {
	if d.published == nil {
		a, err := d.prepare(old, problem, acct)
		if err != nil {
			return nil, fmt.Errorf("begin segment: %w", err)
		}
		d.published = a
		d.owe(old, a)
	}
	// From here on the name may be durable: another segment in its place would
	// be a second one with the same base.
	if err := d.fs.SyncDir(d.path); err != nil {
		return nil, fmt.Errorf("publish segment: %w", err)
	}
	a := d.published
	d.published = nil
	return a, nil
}

// prepare does all up to the new segment's rename.
func (d *directory) prepare(old *appender, problem error, acct []Record) (_ *appender, err error) {
	a := &appender{id: randomID(), base: old.good.tree.size, mid: d.mid, link: old.good, good: old.good}
	a.name = segmentFile(a.base, a.id)
	if a.key, err = newSegmentKey(d.origin); err != nil {
		return nil, err
	}
	h := &segmentHeader{Previous: old.id}
	if !old.sealed {
		h.Abandoned = &abandoned{Commit: a.base - 1, Problem: problem.Error()}
	}
	if err := a.key.save(d.fs, d.path, keyFile(a.name)); err != nil {
		return nil, err
	}
	if err = d.fill(a, h, old.key, acct, nextTmpName); err == nil {
		if err = d.fs.Rename(d.join(nextTmpName), d.join(a.name)); err == nil {
			return a, nil
		}
		err = errors.Join(err, a.file.Close())
	}
	return nil, errors.Join(err, d.fs.Erase(d.join(keyFile(a.name))))
}

// fill writes the first commit of a segment into a temporary file.
func (d *directory) fill(a *appender, h *segmentHeader, by *segmentKey, more []Record, tmp string) (err error) {
	s := d.stamp()
	a.began = s.time
	h.Segment, h.Base, h.Key = a.id, a.base, a.key.public
	h.Root, h.Edge = a.link.tree.root(), a.link.tree.compact()
	cert := Certificate{Origin: d.origin, Segment: a.id, Base: a.base, Prev: a.link.prev, Root: h.Root, Key: a.key.public}
	if h.Cert, err = by.note(cert.text()); err != nil {
		return err
	}
	for _, rec := range append([]Record{h}, more...) {
		if err := a.record(s, rec); err != nil {
			return err
		}
		if a.header == nil {
			a.header = bytes.Clone(a.buf[1:])
		}
	}
	if a.file, err = createTmp(d.fs, d.join(tmp)); err != nil {
		return err
	}
	if err := a.commit(s); err != nil {
		return errors.Join(err, a.file.Close())
	}
	return nil
}

// owe notes what is to be done once a is published: its header belongs to the
// others, and the key of the segment before is to be erased.
func (d *directory) owe(old, a *appender) {
	d.owed = append(d.owed, a.header...)
	d.erase = &erased{keyFile(old.name), old.key, a}
}

// settle does what is owed. What fails is tried again with the next call; the
// log is as good without. It returns the records that say what was done.
func (d *directory) settle() ([]Record, error) {
	var done []Record
	if len(d.owed) > 0 {
		if err := d.appendHeaders(); err != nil {
			return nil, fmt.Errorf("write headers: %w", err)
		}
	}
	if e := d.erase; e != nil {
		err := d.fs.Erase(d.join(e.file))
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = d.fs.SyncDir(d.path)
		}
		if err != nil {
			return nil, fmt.Errorf("erase key: %w", err)
		}
		e.key.wipe()
		d.erase = nil
		done = append(done, &keyRotated{Segment: e.by.id, From: e.key.public, To: e.by.key.public})
	}
	return done, nil
}

// appendHeaders adds the lines owed to the file of headers. What an earlier try
// left of a line is cut off.
func (d *directory) appendHeaders() (err error) {
	name := d.join(headersName)
	f, err := d.fs.Append(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = d.fs.Create(name)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if size, err := f.Size(); err != nil {
		return err
	} else if size > d.headers {
		if err := f.Truncate(d.headers); err != nil {
			return err
		}
	}
	if _, err := f.Write(d.owed); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if d.headers == 0 {
		if err := d.fs.SyncDir(d.path); err != nil {
			return err
		}
	}
	d.headers += int64(len(d.owed))
	d.owed = nil
	return nil
}

func randomID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

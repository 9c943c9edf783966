// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// Open starts a log in dir, or continues the one there. It verifies the chain of
// certificates and the last segment. What a crash left behind the last commit
// record is kept in a file beside the segment, cut off, and recorded. ctx ends
// the verification only.
//
// Errors: [ErrLocked] if another writer has the log, *[CorruptionError] if the
// log does not verify, *[OriginError] if it is not this node's.
func Open(ctx context.Context, dir string, opts Options) (*Log, error) {
	opts = opts.withDefaults()
	l, err := newOpener(dir, opts).open(ctx)
	if isFull(err) && opts.FS.Remove(filepath.Join(dir, reserveName)) == nil {
		l, err = newOpener(dir, opts).open(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open audit log %s: %w", dir, err)
	}
	l.start()
	return l, nil
}

// opener is the state of one Open.
type opener struct {
	opts  Options
	dir   *directory
	boot  string
	acct  accountant
	fresh bool
	// shelf has the segments before the one that is written.
	shelf []*shelved
	last  *header // of the last segment
	prev  *header // of the one before it
	file  string  // of the last segment
	own   []Record
}

func newOpener(dir string, opts Options) *opener {
	return &opener{opts: opts, dir: &directory{fs: opts.FS, path: dir, machine: opts.Machine}}
}

func (o *opener) open(ctx context.Context) (_ *Log, err error) {
	if o.boot, err = o.opts.Machine.BootID(); err != nil {
		return nil, fmt.Errorf("read boot id: %w", err)
	}
	if err := o.dir.fs.MkdirAll(o.dir.path); err != nil {
		return nil, err
	}
	lock, err := o.dir.fs.Lock(o.dir.join(lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, ErrLocked
	} else if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	out, err := o.continued(ctx)
	if errors.Is(err, ErrNoLog) {
		o.fresh = true
		out, err = o.born(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return o.log(out, lock)
}

func (o *opener) log(out *appender, lock io.Closer) (*Log, error) {
	done, err := o.dir.settle()
	if err != nil {
		return nil, errors.Join(err, out.file.Close(), lock.Close())
	}
	l := &Log{
		opts: o.opts, dir: o.dir, boot: o.boot, lock: lock, out: out, acct: o.acct, born: o.fresh, own: append(o.own, done...),
		wake: make(chan struct{}, 1), done: make(chan struct{}), shelf: o.shelf,
	}
	l.found = l.acct.standing(o.boot)
	l.base, l.uptime = o.opts.Machine.Now(), o.opts.Machine.Boottime()
	return l, nil
}

// continued opens the log that is there, or returns ErrNoLog.
func (o *opener) continued(ctx context.Context) (*appender, error) {
	names, err := o.dir.fs.ReadDir(o.dir.path)
	if err != nil {
		return nil, err
	}
	birth, err := o.birth(names)
	if err != nil {
		return nil, err
	}
	o.dir.origin = birth.Origin
	if o.dir.mid, err = commonMembers(o.boot, o.opts.Node, birth.Origin); err != nil {
		return nil, err
	}
	if err := o.chain(birth, names); err != nil {
		return nil, err
	}
	w, err := o.lastSegment(ctx, birth)
	if err != nil {
		return nil, err
	}
	if o.file == birthTmpName {
		o.file = o.last.name()
		if err := o.baptize(o.file); err != nil {
			return nil, err
		}
	}
	if err := o.stray(names); err != nil {
		return nil, err
	}
	return o.resume(ctx, w, birth)
}

// birth reads the birth note, and says whether it is the one of this node's log.
func (o *opener) birth(names []string) (*Birth, error) {
	if !slices.Contains(names, originName) {
		if files := segments(names); len(files) > 0 {
			return nil, &CorruptionError{originName, 0, 0, errors.New("the log has segments but no origin file")}
		}
		return nil, ErrNoLog
	}
	text, err := readAll(o.dir.fs, o.dir.join(originName))
	if err != nil {
		return nil, err
	}
	b, err := ParseBirth(text)
	if errors.Is(err, errOldFormat) {
		return nil, err
	}
	if err != nil {
		return nil, &CorruptionError{originName, 0, 0, err}
	}
	want := o.opts.Cluster + "/" + o.opts.Node.UID + "/"
	if !strings.HasPrefix(b.Origin, want) {
		return nil, &OriginError{Have: b.Origin, Want: strings.TrimSuffix(want, "/")}
	}
	return b, nil
}

// chain checks the certificates from the birth key to the last segment, and that
// the segments there are the last of those that there were.
func (o *opener) chain(birth *Birth, names []string) error {
	files := segments(names)
	if len(files) == 0 {
		if !slices.Contains(names, birthTmpName) {
			return &CorruptionError{originName, 0, 0, errors.New("the log was born, but its segments are gone")}
		}
		files = []string{birthTmpName}
	}
	o.file = files[len(files)-1]
	seq := headersFrom(birth)
	rest := files
	take := func(h *header, name string) error {
		o.prev, o.last = o.last, h
		switch {
		case len(rest) > 0 && rest[0] == name:
			rest = rest[1:]
			o.shelf = append(o.shelf, &shelved{name: name, base: h.Base, id: h.Segment, began: h.Time, packed: !slices.Contains(names, name)})
		case len(rest) < len(files):
			return &CorruptionError{h.name(), 0, h.Base, errors.New("segment is gone, but one before it is there")}
		}
		return nil
	}
	whole, err := headerChain(o.dir.fs, o.dir.path, birth, func(h *header) error {
		seq.key, seq.segment, seq.base = h.Key, h.Segment, h.Base
		return take(h, h.name())
	})
	if err != nil {
		return err
	}
	o.dir.headers = whole
	for len(rest) > 0 { // the file of headers may be behind
		name := rest[0]
		line, err := firstLine(o.dir.fs, o.dir.join(name))
		if err != nil {
			return &CorruptionError{name, 0, seq.base, err}
		}
		h, err := seq.next(line)
		if err != nil {
			return &CorruptionError{name, 0, seq.base, err}
		}
		if name != birthTmpName {
			o.dir.owed = append(append(o.dir.owed, line...), '\n')
		}
		if err := take(h, name); err != nil {
			return err
		}
	}
	if len(o.shelf) == 0 {
		return &CorruptionError{o.file, 0, 0, errors.New("the log was born, but its segments are gone")}
	}
	o.shelf = o.shelf[:len(o.shelf)-1]
	return nil
}

// lastSegment walks the segment that is to be continued.
func (o *opener) lastSegment(ctx context.Context, birth *Birth) (*walker, error) {
	name := o.last.name()
	w := newWalker()
	w.birth, w.rep.Origin, w.trusted = birth, birth.Origin, true
	if err := w.from(o.last); err != nil {
		return nil, err
	}
	head, err := o.head(birth)
	if err != nil {
		return nil, err
	}
	w.mustReach = head
	if err := w.file(ctx, o.dir.fs, o.dir.join(o.file), true); err != nil {
		return nil, err
	}
	if b := w.rep.Bad; b != nil {
		return nil, &CorruptionError{b.Segment, b.Offset, b.Seq, errors.New(b.Problem)}
	}
	if w.rep.Committed == nil {
		return nil, &CorruptionError{name, 0, w.good.link.tree.size, errors.New("segment has no commit record")}
	}
	if head != nil && w.rep.Committed.Seq < head.Size {
		return nil, &CorruptionError{headName, 0, head.Size, fmt.Errorf("the log ends with record %d, but reached %d before: it was cut back", w.rep.Committed.Seq, head.Size)}
	}
	return w, nil
}

// head reads what the machine remembers of how far the log went.
func (o *opener) head(birth *Birth) (*Checkpoint, error) {
	msg, err := readAll(o.dir.fs, o.dir.join(headName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	c, err := ReadCheckpoint(msg)
	if err == nil && c.Origin != birth.Origin {
		err = fmt.Errorf("checkpoint is of the log %q", c.Origin)
	}
	if err == nil && c.Size > o.last.Base {
		_, err = ParseCheckpoint(msg, o.last.Key)
	}
	if err != nil {
		return nil, &CorruptionError{headName, 0, 0, err}
	}
	return c, nil
}

// stray erases private keys that no segment signs with any more: a crash came
// before it.
func (o *opener) stray(names []string) error {
	for _, n := range names {
		if !keyName.MatchString(n) || n == keyFile(o.last.name()) {
			continue
		}
		if err := o.dir.fs.Erase(o.dir.join(n)); err != nil {
			return fmt.Errorf("erase key: %w", err)
		}
		if o.prev != nil && n == keyFile(o.prev.name()) {
			o.own = append(o.own, &keyRotated{Segment: o.last.Segment, From: o.prev.Key, To: o.last.Key})
		}
	}
	return nil
}

// resume goes on behind the last segment's last commit, in a new segment if that
// one is sealed.
func (o *opener) resume(ctx context.Context, w *walker, birth *Birth) (_ *appender, err error) {
	name := o.last.name()
	key, err := loadSegmentKey(o.dir.fs, o.dir.join(keyFile(name)))
	if err != nil {
		return nil, fmt.Errorf("private key of the last segment: %w", err)
	}
	if key.public != o.last.Key {
		return nil, &CorruptionError{keyFile(name), 0, 0, errors.New("private key is not that of the last segment")}
	}
	f, err := o.dir.fs.Append(o.dir.join(name))
	if err != nil {
		return nil, err
	}
	a := &appender{
		file: f, name: name, id: o.last.Segment, base: o.last.Base, key: key, sealed: w.sealed, began: o.last.Time.UnixNano(), worth: true,
		link: w.good.link, good: w.good.link, size: w.good.offset, mid: o.dir.mid,
	}
	if w.rep.TailBytes > 0 {
		if err := o.recover(w, a); err != nil {
			return nil, errors.Join(fmt.Errorf("recover: %w", err), f.Close())
		}
		// What was cut off is not in the log: it is read again without.
		if w, err = o.lastSegment(ctx, birth); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	o.acct = w.acct
	if !a.sealed {
		return a, nil
	}
	o.shelf = append(o.shelf, &shelved{name: a.name, base: a.base, id: a.id, began: o.last.Time})
	b, err := o.dir.next(a, nil, o.acct.snapshot())
	return b, errors.Join(err, f.Close())
}

var errTooLong = errors.New("node and cluster names are too long for the audit log")

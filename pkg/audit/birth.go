// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
)

// originOf builds "<cluster>/<node uid>/<incarnation>". Cluster and UID are
// identifiers; what could end a line, a part or the name of a key is refused.
func originOf(cluster, uid, incarnation string) (string, error) {
	for _, s := range []string{cluster, uid} {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '+' }) {
			return "", fmt.Errorf("%q cannot be part of an audit log's origin: want printable ASCII without spaces, slashes and pluses", s)
		}
	}
	return cluster + "/" + uid + "/" + incarnation, nil
}

// born starts a log in an empty directory. The order of steps decides what a
// crash can leave: the first segment is complete under a temporary name before
// the origin file appears, and takes its real name last. So an origin file
// without a segment of either name means that a segment was removed.
func (o *opener) born(ctx context.Context) (_ *appender, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.dir.origin, err = originOf(o.opts.Cluster, o.opts.Node.UID, randomID()); err != nil {
		return nil, err
	}
	if o.dir.mid, err = commonMembers(o.boot, o.opts.Node, o.dir.origin); err != nil {
		return nil, err
	}
	a := &appender{id: randomID(), mid: o.dir.mid}
	a.name = segmentFile(0, a.id)
	if a.key, err = newSegmentKey(o.dir.origin); err != nil {
		return nil, err
	}
	birth := Birth{
		Origin: o.dir.origin, Node: o.opts.Node.Name, Key: a.key.public,
		Born: o.opts.Machine.Now().UTC().Format(time.RFC3339),
	}
	note, err := a.key.note(birth.text())
	if err != nil {
		return nil, err
	}
	a.link.prev = sha256.Sum256([]byte(note))
	if err := a.key.save(o.dir.fs, o.dir.path, keyFile(a.name)); err != nil {
		return nil, err
	}
	if err := o.dir.fill(a, &segmentHeader{}, a.key, []Record{&logBirth{note}}, birthTmpName); err != nil {
		return nil, err
	}
	if err := o.bear(a, []byte(note)); err != nil {
		return nil, errors.Join(err, a.file.Close())
	}
	return a, nil
}

// bear gives the first segment its note and its name.
func (o *opener) bear(a *appender, note []byte) error {
	if err := o.dir.fs.SyncDir(o.dir.path); err != nil {
		return err
	}
	if err := writeDurably(o.dir.fs, o.dir.path, originName, note); err != nil {
		return fmt.Errorf("write origin: %w", err)
	}
	return o.baptize(a.name)
}

// baptize gives the first segment its name.
func (o *opener) baptize(name string) error {
	if err := o.dir.rename(birthTmpName, name); err != nil {
		return err
	}
	line, err := firstLine(o.dir.fs, o.dir.join(name))
	if err != nil {
		return err
	}
	o.dir.owed = append(line, '\n')
	return nil
}

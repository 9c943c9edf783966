// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// born starts a log in an empty directory. The order of steps decides what a
// crash can leave: the first segment is complete under a temporary name before
// the origin file appears, and takes its real name last. So an origin file
// without a segment of either name means that a segment was removed.
func (o *opener) born(ctx context.Context) (*appender, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	incarnation, id := randomID(), randomID()
	var err error
	if o.origin, err = originOf(o.opts.Cluster, o.opts.Node.UID, incarnation); err != nil {
		return nil, err
	}
	text := originText(o.origin, o.opts.Node, o.opts.Machine.Now().UTC().Format(time.RFC3339))
	out := &appender{name: segmentFile(0, id), mid: commonMembers(o.boot, o.opts.Node, o.origin)}
	if len(out.mid) > maxMid {
		return nil, errTooLong
	}
	out.link.prev = sha256.Sum256(text)
	if out.file, err = o.createTmp(birthTmpName); err != nil {
		return nil, err
	}
	if err := o.bear(out, id, text); err != nil {
		return nil, errors.Join(err, out.file.Close())
	}
	return out, nil
}

func (o *opener) bear(out *appender, id string, text []byte) error {
	now := o.stamp()
	body, err := appendBody(nil, &segmentHeader{Segment: id, Base: 0})
	if err != nil {
		return err
	}
	out.add(now, body)
	if err := out.commit(now); err != nil {
		return err
	}
	if err := o.opts.FS.SyncDir(o.dir); err != nil {
		return err
	}
	f, err := o.createTmp(originTmpName)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write origin: %w", err)
	}
	if err := o.publish(originTmpName, originName); err != nil {
		return err
	}
	return o.publish(birthTmpName, out.name)
}

// createTmp makes a file that a birth cut short may have left; what it left was
// never part of a log.
func (o *opener) createTmp(name string) (vfs.File, error) {
	if err := o.opts.FS.Remove(o.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return o.opts.FS.Create(o.path(name))
}

func randomID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

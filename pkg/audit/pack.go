// SPDX-License-Identifier: MIT

package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// packer compresses segments that nobody follows any more. The committer never
// waits for it.
type packer struct {
	log  *Log
	wake chan struct{}
	quit chan struct{}
	wait sync.WaitGroup
}

func newPacker(l *Log) *packer {
	p := &packer{log: l, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	p.wait.Go(p.run)
	return p
}

func (p *packer) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *packer) stop() {
	close(p.quit)
	p.wait.Wait()
}

func (p *packer) run() {
	for {
		select {
		case <-p.quit:
			return
		case <-p.wake:
		}
		for s := p.candidate(); s != nil; s = p.candidate() {
			size, err := packSegment(p.log.opts.FS, p.log.dir.path, s.name, p.quit)
			p.log.mu.Lock()
			s.busy = false
			if err == nil {
				s.packed, s.bytes = true, size
			}
			p.log.mu.Unlock()
			if errors.Is(err, errQuit) {
				return
			}
			if err != nil {
				p.log.opts.Logger.Warn("audit log: compress segment", "segment", s.name, "error", err)
				break // until it is poked again
			}
		}
	}
}

// candidate is the next segment to compress, marked as busy.
func (p *packer) candidate() *shelved {
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.opts.Machine.Now()
	for i, s := range l.shelf {
		if s.packed || s.busy {
			continue
		}
		ended := l.lastBegan
		if i+1 < len(l.shelf) {
			ended = l.shelf[i+1].began
		}
		if now.Sub(ended) < l.opts.PackAfter {
			return nil
		}
		s.busy = true
		return s
	}
	return nil
}

var errQuit = errors.New("log is being closed")

// packSegment compresses a segment. The plain file goes when the compressed one is
// durable and was read back.
func packSegment(fsys vfs.FS, dir, name string, quit <-chan struct{}) (int64, error) {
	d := &directory{fs: fsys, path: dir}
	packed := name + packedSuffix
	sum, err := squeeze(d, name, packed+tmpSuffix, quit)
	if err != nil {
		return 0, err
	}
	back, size, err := unpackedSum(fsys, d.join(packed+tmpSuffix))
	if err != nil {
		return 0, fmt.Errorf("read back: %w", err)
	}
	if back != sum {
		return 0, errors.New("compressed file has other content than the segment")
	}
	if err := d.rename(packed+tmpSuffix, packed); err != nil {
		return 0, err
	}
	if err := fsys.Remove(d.join(name)); err != nil {
		return 0, err
	}
	return size, fsys.SyncDir(dir)
}

// squeeze compresses a file into another, makes that durable, and returns the
// hash of what it read.
func squeeze(d *directory, from, to string, quit <-chan struct{}) (sum Hash, err error) {
	src, err := d.fs.Open(d.join(from))
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := createTmp(d.fs, d.join(to))
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	z, err := zstd.NewWriter(dst, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow/2))
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(z, h), &quitReader{src, quit})
	if err = errors.Join(err, z.Close()); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, dst.Sync()
}

// unpackedSum hashes what a compressed file unpacks to, and returns the file's
// own length too.
func unpackedSum(fsys vfs.FS, path string) (sum Hash, size int64, err error) {
	r, err := openPacked(fsys, path)
	if err != nil {
		return sum, 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return sum, 0, err
	}
	h.Sum(sum[:0])
	return sum, r.packed, nil
}

// quitReader ends early when the log is being closed.
type quitReader struct {
	src  io.Reader
	quit <-chan struct{}
}

func (r *quitReader) Read(b []byte) (int, error) {
	select {
	case <-r.quit:
		return 0, errQuit
	default:
		return r.src.Read(b)
	}
}

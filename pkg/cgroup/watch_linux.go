package cgroup

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Change is a cgroup of a pod or container that came or went.
type Change struct {
	Dir
	Gone bool
}

// Watch tells of every cgroup of a pod or container: at first of those that are
// there, then of what comes and goes, until the context ends or fn fails. What
// exists for a moment only may be told of late or not at all: who must not miss
// anything lets the kernel hand a parent's binding down.
//
// A cgroup's number is never used again, so one that was removed and made anew
// under the same name is told of as gone and come.
func (t Tree) Watch(ctx context.Context, fn func(Change) error) error {
	w := &watcher{tree: t, dirs: map[int32]string{}, known: map[string]Dir{}, fn: fn}
	if err := w.open(); err != nil {
		return err
	}
	defer w.file.Close()
	stop := context.AfterFunc(ctx, func() { _ = w.file.Close() }) // what is read then fails
	defer stop()
	if err := t.check(); err != nil {
		return err
	}
	if err := w.rescan(); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read inotify: %w", err)
		}
		if err := w.read(buf[:n]); err != nil {
			return err
		}
	}
}

type watcher struct {
	tree  Tree
	file  *os.File
	conn  syscall.RawConn  // of the file
	dirs  map[int32]string // by watch descriptor
	known map[string]Dir   // by path
	fn    func(Change) error
}

func (w *watcher) open() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch cgroups: %w", err)
	}
	w.file = os.NewFile(uintptr(fd), "inotify")
	if w.conn, err = w.file.SyscallConn(); err != nil {
		return errors.Join(fmt.Errorf("watch cgroups: %w", err), w.file.Close())
	}
	return nil
}

// rescan looks at everything anew, and tells of the difference.
func (w *watcher) rescan() error {
	seen := map[string]bool{}
	if err := w.scan(w.tree.Root, seen); err != nil {
		return err
	}
	for wd, path := range w.dirs {
		if !seen[path] {
			delete(w.dirs, wd)
		}
	}
	for path := range w.known {
		if !seen[path] {
			if err := w.forget(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan watches a directory and what is below, and tells of pods and containers
// there. A directory is watched before it is listed, so nothing comes between.
func (w *watcher) scan(dir string, seen map[string]bool) error {
	return w.tree.walk(dir, func(path string, p Place, ok bool) (bool, error) {
		if seen != nil {
			seen[path] = true
		}
		deeper := p.ContainerID == ""
		if deeper {
			err := w.add(path)
			if gone(err) {
				return false, nil
			}
			if err != nil {
				return false, fmt.Errorf("watch cgroup %s: %w", path, err)
			}
		}
		if !ok {
			return deeper, nil
		}
		id, err := (&Group{Dir: path}).ID()
		if gone(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if old, ok := w.known[path]; ok {
			if old.ID == id {
				return deeper, nil
			}
			if err := w.forget(path); err != nil {
				return false, err
			}
		}
		d := Dir{Place: p, Path: path, ID: id}
		w.known[path] = d
		return deeper, w.fn(Change{Dir: d})
	})
}

// add watches one directory.
func (w *watcher) add(path string) error {
	var wd int
	var err error
	if e := w.conn.Control(func(fd uintptr) {
		wd, err = unix.InotifyAddWatch(int(fd), path, unix.IN_CREATE|unix.IN_DELETE|unix.IN_ONLYDIR|unix.IN_DONT_FOLLOW)
	}); e != nil {
		return e
	}
	if err == nil {
		w.dirs[int32(wd)] = path
	}
	return err
}

// forget tells that a directory has gone, and what was below it before.
func (w *watcher) forget(dir string) error {
	for path := range w.known {
		if strings.HasPrefix(path, dir+"/") {
			if err := w.tell(path); err != nil {
				return err
			}
		}
	}
	return w.tell(dir)
}

func (w *watcher) tell(path string) error {
	d, ok := w.known[path]
	if !ok {
		return nil
	}
	delete(w.known, path)
	return w.fn(Change{Dir: d, Gone: true})
}

// read takes in what inotify(7) has written.
func (w *watcher) read(b []byte) error {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		n := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if n > len(b) {
			return errors.New("read inotify: an event is cut off")
		}
		name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:n], "\x00"))
		b = b[n:]
		if err := w.take(wd, mask, name); err != nil {
			return err
		}
	}
	return nil
}

func (w *watcher) take(wd int32, mask uint32, name string) error {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		return w.rescan()
	}
	if mask&unix.IN_IGNORED != 0 {
		delete(w.dirs, wd)
		return nil
	}
	dir, ok := w.dirs[wd]
	if !ok || mask&unix.IN_ISDIR == 0 {
		return nil
	}
	path := filepath.Join(dir, name)
	if mask&unix.IN_DELETE != 0 {
		// It may be there again already.
		if _, err := os.Lstat(path); err != nil {
			return w.forget(path)
		}
	}
	return w.scan(path, nil)
}

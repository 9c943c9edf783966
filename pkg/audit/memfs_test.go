// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// memFS is a directory in memory. fail, if set, is asked before every operation
// that changes something.
type memFS struct {
	mu    sync.Mutex
	files map[string]*memFile
	fail  func(op, name string) error
	// room is how many bytes all files may have; 0: any number.
	room int
	// named are the files as the directory had them when it was synced last.
	named map[string]*memFile
}

type memFile struct {
	fs     *memFS
	name   string
	data   []byte
	synced []byte // what data was when it was synced last
}

type memHandle struct {
	*memFile
	at int64
}

func newMemFS(files map[string][]byte) *memFS {
	m := &memFS{files: map[string]*memFile{}}
	for name, data := range files {
		m.files["log/"+name] = &memFile{fs: m, name: name, data: bytes.Clone(data), synced: bytes.Clone(data)}
	}
	m.named = maps.Clone(m.files)
	return m
}

// snapshot copies the content of every file.
func (m *memFS) snapshot() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string][]byte{}
	for name, f := range m.files {
		out[filepath.Base(name)] = bytes.Clone(f.data)
	}
	return out
}

// left is how much may still be written. It is called with mu held.
func (m *memFS) left() int {
	if m.room == 0 {
		return math.MaxInt
	}
	left := m.room
	for _, f := range m.files {
		left -= len(f.data)
	}
	return max(left, 0)
}

// setRoom says how many bytes all files may have.
func (m *memFS) setRoom(bytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room = bytes
}

func (m *memFS) ask(op, name string) error {
	if m.fail == nil {
		return nil
	}
	return m.fail(op, filepath.Base(name))
}

func (m *memFS) get(op, name string, want bool) (*memFile, error) {
	if err := m.ask(op, name); err != nil {
		return nil, err
	}
	f := m.files[name]
	if (f != nil) != want {
		err := fs.ErrNotExist
		if f != nil {
			err = fs.ErrExist
		}
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return f, nil
}

func (m *memFS) Create(name string) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.get("create", name, false); err != nil {
		return nil, err
	}
	f := &memFile{fs: m, name: name}
	m.files[name] = f
	return &memHandle{memFile: f}, nil
}

func (m *memFS) Open(name string) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.get("open", name, true)
	if err != nil {
		return nil, err
	}
	return &memHandle{memFile: f}, nil
}

func (m *memFS) Append(name string) (vfs.File, error) { return m.Open(name) }
func (m *memFS) MkdirAll(dir string) error            { return m.ask("mkdir", dir) }
func (m *memFS) IsDir(name string) (bool, error)      { return name == "log", nil }
func (m *memFS) Lock(name string) (io.Closer, error)  { return io.NopCloser(nil), m.ask("lock", name) }

func (m *memFS) Space(string) (uint64, error) { return 0, nil }

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.ask("syncdir", dir)
	if err == nil {
		m.named = maps.Clone(m.files)
	}
	return err
}

// crashed is what a crash leaves: of what was not synced all, or nothing. It is
// called with mu held.
func (m *memFS) crashed(all bool) *memFS {
	out := map[string][]byte{}
	if all {
		for name, f := range m.files {
			out[filepath.Base(name)] = f.data
		}
		return newMemFS(out)
	}
	for name, f := range m.named {
		out[filepath.Base(name)] = f.synced
	}
	return newMemFS(out)
}

func (m *memFS) Erase(name string) error {
	if err := m.ask("erase", name); err != nil {
		return err
	}
	return m.Remove(name)
}

func (m *memFS) ReadDir(string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, n := range slices.Sorted(maps.Keys(m.files)) {
		names = append(names, filepath.Base(n))
	}
	return names, nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.get("rename", from, true)
	if err != nil {
		return err
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.get("remove", name, true); err != nil {
		return err
	}
	delete(m.files, name)
	return nil
}

func (h *memHandle) Read(b []byte) (int, error) {
	n, err := h.ReadAt(b, h.at)
	h.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (h *memHandle) ReadAt(b []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if off >= int64(len(h.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Write writes half when it is to fail.
func (h *memHandle) Write(b []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.ask("write", h.name); err != nil {
		h.data = append(h.data, b[:len(b)/2]...)
		return len(b) / 2, err
	}
	if left := h.fs.left(); left < len(b) {
		h.data = append(h.data, b[:left]...)
		return left, &fs.PathError{Op: "write", Path: h.name, Err: syscall.ENOSPC}
	}
	h.data = append(h.data, b...)
	return len(b), nil
}

func (h *memHandle) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return int64(len(h.data)), nil
}

func (h *memHandle) Truncate(n int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.fs.ask("truncate", h.name); err != nil {
		return err
	}
	h.data = h.data[:n]
	return nil
}

func (h *memHandle) Sync() error     { return h.sync("sync") }
func (h *memHandle) Datasync() error { return h.sync("datasync") }

func (h *memHandle) sync(op string) error {
	err := h.fs.ask(op, h.name) // without the lock: a test may make it wait
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err == nil {
		h.synced = bytes.Clone(h.data)
	}
	return err
}

func (h *memHandle) Close() error { return nil }

// fakeMachine has a clock that goes on by a microsecond at every look.
type fakeMachine struct {
	mu   sync.Mutex
	tick time.Duration
	boot string
}

func (m *fakeMachine) BootID() (string, error) { return m.boot, nil }

func (m *fakeMachine) Boottime() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Hour + m.tick
}

func (m *fakeMachine) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick += time.Microsecond
	return time.Unix(1_800_000_000, 0).Add(m.tick)
}

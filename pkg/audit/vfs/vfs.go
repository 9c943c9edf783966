// SPDX-License-Identifier: MIT

// Package vfs is everything the audit log asks of the operating system, so that
// tests can take the operating system's place and fail any single call.
package vfs

import (
	"errors"
	"io"
	"time"
)

// ErrLocked is returned by [FS.Lock] when someone else holds the lock.
var ErrLocked = errors.New("lock is held")

// FS is a file system. Names are paths as the os package takes them; not found
// is an error that is fs.ErrNotExist.
type FS interface {
	// Create makes a file for reading and appending, owner only. It fails with
	// fs.ErrExist if there is one.
	Create(name string) (File, error)
	// Append opens an existing file for reading and appending.
	Append(name string) (File, error)
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// ReadDir lists the names in a directory in ascending order.
	ReadDir(dir string) ([]string, error)
	// MkdirAll makes a directory and its parents, owner only.
	MkdirAll(dir string) error
	// IsDir tells directories from files.
	IsDir(name string) (bool, error)
	// Rename replaces newname in one step; durable after SyncDir.
	Rename(oldname, newname string) error
	// Remove removes a file.
	Remove(name string) error
	// Erase overwrites a file with zeros, makes that durable and removes it.
	Erase(name string) error
	// Space is the size of the file system that holds a directory, in bytes; 0
	// if it has none.
	Space(dir string) (uint64, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on a file, made if missing, without waiting.
	// It is given back by Close or by the end of the process.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Write always appends.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer
	// Size is the file's length in bytes.
	Size() (int64, error)
	// Truncate cuts the file; durable after Sync.
	Truncate(size int64) error
	// Sync makes content and length durable (fsync).
	Sync() error
	// Datasync makes content and length durable, other metadata perhaps not
	// (fdatasync).
	Datasync() error
}

// Machine is what a log wants to know about the machine it runs on.
type Machine interface {
	// BootID names this boot of the machine.
	BootID() (string, error)
	// Boottime is the time since boot including suspend, the kernel's
	// CLOCK_BOOTTIME.
	Boottime() time.Duration
	// Now is the wall clock.
	Now() time.Time
}

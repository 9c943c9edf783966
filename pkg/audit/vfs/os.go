// SPDX-License-Identifier: MIT

package vfs

import (
	"errors"
	"io"
	"os"
	"time"
)

// OS is the operating system's file system and machine.
type OS struct{}

var (
	_ FS      = OS{}
	_ Machine = OS{}
)

type file struct{ *os.File }

func open(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (OS) Create(name string) (File, error) {
	return open(name, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL)
}

func (OS) Append(name string) (File, error) { return open(name, os.O_RDWR|os.O_APPEND) }
func (OS) Open(name string) (File, error)   { return open(name, os.O_RDONLY) }
func (OS) MkdirAll(dir string) error        { return os.MkdirAll(dir, 0o700) }
func (OS) Rename(from, to string) error     { return os.Rename(from, to) }
func (OS) Remove(name string) error         { return os.Remove(name) }
func (OS) Now() time.Time                   { return time.Now() }

func (OS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (OS) IsDir(name string) (bool, error) {
	info, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}

func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (OS) Erase(name string) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, info.Size()), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Remove(name)
}

func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f file) Datasync() error { return datasync(f.File) }

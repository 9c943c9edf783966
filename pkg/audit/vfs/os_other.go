// SPDX-License-Identifier: MIT

//go:build !linux

package vfs

import (
	"errors"
	"os"
	"time"
)

// Logs are written on Linux; elsewhere they are read.

func lock(*os.File) error { return errors.ErrUnsupported }

func datasync(f *os.File) error { return f.Sync() }

func (OS) BootID() (string, error) { return "", errors.ErrUnsupported }

func (OS) Boottime() time.Duration { return 0 }

func (OS) Space(string) (uint64, error) { return 0, errors.ErrUnsupported }

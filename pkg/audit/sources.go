// SPDX-License-Identifier: MIT

package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// KeepSource stores the source of a policy beside the segments, durably and once,
// so that an auditor can read what a rule said. It waits for the disk.
func (l *Log) KeepSource(source []byte) error {
	name := Hash(sha256.Sum256(source)).String()
	dir := l.dir.join(sourcesName)
	if f, err := l.opts.FS.Open(filepath.Join(dir, name)); err == nil {
		return f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("store policy source: %w", err)
	}
	if err := l.opts.FS.MkdirAll(dir); err != nil {
		return fmt.Errorf("store policy source: %w", err)
	}
	if err := writeDurably(l.opts.FS, dir, name, source); err != nil {
		return fmt.Errorf("store policy source: %w", err)
	}
	if err := l.opts.FS.SyncDir(l.dir.path); err != nil {
		return fmt.Errorf("store policy source: %w", err)
	}
	return nil
}

// SPDX-License-Identifier: MIT

package audit

import (
	"testing"
	"time"
)

// growingFS is a directory in which a writer goes on right after somebody listed it.
type growingFS struct {
	*memFS
	after *memFS
}

func (g *growingFS) ReadDir(dir string) ([]string, error) {
	names, err := g.memFS.ReadDir(dir)
	g.memFS = g.after
	return names, err
}

// A log that is rotated while it is verified was not cut back.
func TestVerifyWhileTheLogRotates(t *testing.T) {
	m := newMemFS(nil)
	opts := memOptions(m)
	opts.SegmentBytes = 6000
	clock := &setMachine{fakeMachine: &fakeMachine{boot: "boot-1"}}
	opts.Machine = clock
	l, err := Open(t.Context(), "log", opts)
	check(t, err)
	var snaps []map[string][]byte
	for n := range 12 {
		clock.mu.Lock()
		clock.tick += 3 * time.Second
		clock.mu.Unlock()
		check(t, l.Append(decision(uint64(n+1))))
		check(t, l.Flush(t.Context()))
		snaps = append(snaps, m.snapshot())
	}
	check(t, l.Close(t.Context()))
	snaps = append(snaps, m.snapshot())
	rotated := 0
	for i := range len(snaps) - 4 {
		before, after := newMemFS(snaps[i]), newMemFS(snaps[i+4])
		if len(before.files) < len(after.files) {
			rotated++
		}
		r, err := Verify(t.Context(), "log", VerifyOptions{FS: &growingFS{before, after}, Unanchored: true})
		check(t, err)
		if r.Bad != nil {
			t.Errorf("after %d records: %+v", i, r.Bad)
		}
	}
	if rotated == 0 {
		t.Error("it was never rotated")
	}
}

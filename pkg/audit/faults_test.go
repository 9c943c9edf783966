// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// A life of a log that meets every step of append, seal, rotation, retention and
// compression: small segments, a small cap, and a clock that jumps.

// jumpMachine is a fakeMachine whose clocks jump together.
type jumpMachine struct {
	fakeMachine
	jumped time.Duration
}

func (m *jumpMachine) jump(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jumped += d
}

func (m *jumpMachine) Boottime() time.Duration {
	d := m.fakeMachine.Boottime()
	m.mu.Lock()
	defer m.mu.Unlock()
	return d + m.jumped
}

func (m *jumpMachine) Now() time.Time {
	now := m.fakeMachine.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	return now.Add(m.jumped)
}

// lifeOptions are of a log of about a dozen small segments, of which some are
// packed and the oldest removed.
func lifeOptions(m *memFS) (Options, *jumpMachine) {
	machine := &jumpMachine{fakeMachine: fakeMachine{boot: "boot-1"}}
	o := memOptions(m)
	o.Machine, o.SegmentBytes, o.MaxBytes, o.RemoveWhenFull = machine, 6<<10, 40<<10, true
	return o, machine
}

// lead leads such a life: it appends denials from a number on and says after each
// group how many are durable.
func lead(ctx context.Context, o Options, machine *jumpMachine, from, to uint64, durable func(uint64)) error {
	l, err := Open(ctx, "log", o)
	if err != nil {
		return err
	}
	if from == 1 {
		err = l.Append(&AgentStart{LoadID: "load-1"})
	}
	for n := from; n <= to && err == nil; n++ {
		if err = l.Append(decision(n)); err == nil && n%3 == 0 {
			if err = l.Flush(ctx); err == nil {
				durable(n)
			}
		}
		if n%20 == 0 {
			machine.jump(time.Hour)
			time.Sleep(2 * time.Millisecond) // for the packer
		}
	}
	return errors.Join(err, l.Close(ctx))
}

const lifeDenials = 90

// mustHold opens and closes the log and verifies it, with all denials up to
// durable in it or removed by retention.
func mustHold(t *testing.T, what string, m *memFS, durable uint64) {
	t.Helper()
	o, _ := lifeOptions(m)
	l, err := Open(t.Context(), "log", o)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	stop := &AgentStop{Reason: "done", CPUs: []CPUCounters{{Seq: durable, Emitted: durable}}}
	if durable == 0 {
		stop.CPUs = nil
	}
	if err := l.Close(t.Context(), stop); err != nil {
		t.Errorf("%s: close: %v", what, err)
	}
	r := verifyMem(t, m)
	if r.ExitCode() != ExitProven {
		t.Errorf("%s: exit %d, %+v, balance %+v", what, r.ExitCode(), r.Bad, r.Balance)
	}
}

// steps runs f for the first, second, ... step of a life until there are no more
// steps, every n-th only unless the long tests run.
func steps(t *testing.T, every int, f func(stop int) (reached bool)) {
	t.Helper()
	switch {
	case long:
		every = 1
	case testing.Short(): // with the race detector
		every *= 4
	}
	var mu sync.Mutex
	last, over := 0, false
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				mu.Lock()
				stop := last
				last += every
				done := over
				mu.Unlock()
				if done {
					return
				}
				if !f(stop) {
					mu.Lock()
					over = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if last < 200 {
		t.Errorf("a life of only %d steps", last)
	}
}

// Any single call that fails is made up for: the log goes on, what was
// acknowledged is there, and it verifies.
func TestEveryCallFailsOnce(t *testing.T) {
	steps(t, 4, func(stop int) bool {
		m := newMemFS(nil)
		n, what := 0, ""
		var mu sync.Mutex // the writer and the packer call
		m.fail = func(op, name string) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n-1 == stop {
				what = op + " " + name
				return errors.New("failed once")
			}
			return nil
		}
		o, machine := lifeOptions(m)
		var durable uint64
		err := lead(t.Context(), o, machine, 1, lifeDenials, func(n uint64) { durable = n })
		m.failing(nil)
		mu.Lock()
		defer mu.Unlock()
		what = fmt.Sprintf("step %d, %s", stop, what)
		if err == nil && durable != lifeDenials {
			t.Errorf("%s: %d durable", what, durable)
		}
		mustHold(t, what, m, durable)
		return n > stop
	})
}

// A disk that is gone for good from some call on, until the next start.
func TestEveryCallFailsFromThereOn(t *testing.T) {
	steps(t, 4, func(stop int) bool {
		m := newMemFS(nil)
		n, what := 0, ""
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		m.fail = func(op, name string) error {
			mu.Lock()
			defer mu.Unlock()
			if n++; n > stop {
				if what == "" {
					what = op + " " + name
					time.AfterFunc(5*time.Millisecond, cancel)
				}
				return errors.New("gone")
			}
			return nil
		}
		o, machine := lifeOptions(m)
		var durable uint64
		_ = leadAndLeave(ctx, o, machine, func(n uint64) { durable = n })
		m.failing(nil)
		mu.Lock()
		defer mu.Unlock()
		mustHold(t, fmt.Sprintf("step %d, %s", stop, what), m, durable)
		return what != ""
	})
}

// leadAndLeave is lead that gives up when ctx ends, and closes the log then.
func leadAndLeave(ctx context.Context, o Options, machine *jumpMachine, durable func(uint64)) error {
	l, err := Open(ctx, "log", o)
	if err != nil {
		return err
	}
	err = l.Append(&AgentStart{LoadID: "load-1"})
	for n := uint64(1); n <= lifeDenials && err == nil; n++ {
		if err = l.Append(decision(n)); err == nil && n%3 == 0 {
			if err = l.Flush(ctx); err == nil {
				durable(n)
			}
		}
		if n%20 == 0 {
			machine.jump(time.Hour)
			time.Sleep(2 * time.Millisecond) // for the packer
		}
	}
	return errors.Join(err, l.Close(context.Background()))
}

// A crash before any call leaves a log that goes on, whether the disk kept
// everything that was not synced or nothing of it.
func TestCrashBeforeEveryCall(t *testing.T) {
	steps(t, 4, func(stop int) bool {
		m := newMemFS(nil)
		var crashes []*memFS
		var atCrash uint64
		var mu sync.Mutex
		var durable uint64
		n, what := 0, ""
		m.fail = func(op, name string) error {
			if op == "sync" || op == "datasync" || op == "mkdir" || op == "lock" || op == "erase" { // asked without the lock
				m.mu.Lock()
				defer m.mu.Unlock()
			}
			if n++; n-1 == stop {
				what = op + " " + name
				mu.Lock()
				atCrash = durable
				mu.Unlock()
				crashes = []*memFS{m.crashed(true), m.crashed(false)}
			}
			return nil
		}
		o, machine := lifeOptions(m)
		check(t, lead(t.Context(), o, machine, 1, lifeDenials, func(n uint64) {
			mu.Lock()
			defer mu.Unlock()
			durable = n
		}))
		for i, c := range crashes {
			mustHold(t, fmt.Sprintf("crash before step %d, %s, variant %d", stop, what, i), c, atCrash)
		}
		return len(crashes) > 0
	})
}

// Retention removes the oldest segments and says so; what is left verifies from
// the birth key on, and its balance counts what was removed too.
func TestRetentionRemovesTheOldest(t *testing.T) {
	m := newMemFS(nil)
	o, machine := lifeOptions(m)
	o.PackAfter = 1000 * time.Hour
	check(t, lead(t.Context(), o, machine, 1, lifeDenials, func(uint64) {}))
	l, err := Open(t.Context(), "log", o)
	check(t, err)
	if s := l.Found(); s.LoadID != "load-1" || len(s.CPUs) != 1 || s.CPUs[0].Last != lifeDenials || len(s.CPUs[0].Missing) != 0 {
		t.Errorf("standing %+v", s)
	}
	check(t, l.Close(t.Context(), &AgentStop{Reason: "done", CPUs: []CPUCounters{{Seq: lifeDenials}}}))
	r := verifyMem(t, m)
	if r.ExitCode() != ExitProven || r.FirstSeq == 0 || r.Balance.Seen != lifeDenials || r.Kinds[KindSegmentRemoved] == 0 || r.Kinds[KindKeyRotated] == 0 {
		t.Errorf("exit %d, %+v, from %d, %v, %+v", r.ExitCode(), r.Bad, r.FirstSeq, r.Kinds, r.Balance)
	}
	files, size, keys := m.snapshot(), 0, 0
	for name, data := range files {
		if segmentName.MatchString(name) {
			size += len(data)
		}
		if keyName.MatchString(name) {
			keys++
		}
	}
	if size > int(o.MaxBytes+2*o.SegmentBytes) || keys != 1 {
		t.Errorf("%d bytes, %d keys", size, keys)
	}
	// One more segment gone, and nothing says so.
	delete(files, r.Segments[0])
	if r := verifyMem(t, newMemFS(files)); r.ExitCode() != ExitTampered {
		t.Errorf("a segment that nobody removed is gone: exit %d", r.ExitCode())
	}
	files = m.snapshot()
	delete(files, headersName)
	if r := verifyMem(t, newMemFS(files)); r.ExitCode() != ExitTampered {
		t.Errorf("nothing says whose key signs: exit %d", r.ExitCode())
	}
}

// Sealed segments are compressed after an hour, and verify as before.
func TestSegmentsArePacked(t *testing.T) {
	m := newMemFS(nil)
	o, machine := lifeOptions(m)
	o.MaxBytes = 1 << 20
	check(t, lead(t.Context(), o, machine, 1, lifeDenials, func(uint64) {}))
	l, err := Open(t.Context(), "log", o)
	check(t, err)
	check(t, l.Append(&Heartbeat{}))
	check(t, l.Flush(t.Context()))
	machine.jump(2 * time.Hour)
	check(t, l.Append(&Heartbeat{}))
	plain := 0
	for plain != 1 {
		plain = 0
		for name := range m.snapshot() {
			if segmentName.MatchString(name) {
				plain++
			}
		}
		time.Sleep(time.Millisecond)
	}
	check(t, l.Close(t.Context(), &AgentStop{Reason: "done", CPUs: []CPUCounters{{Seq: lifeDenials}}}))
	r := verifyMem(t, m)
	if r.ExitCode() != ExitProven || r.FirstSeq != 0 || r.Balance.Seen != lifeDenials || len(r.Segments) < 10 {
		t.Errorf("exit %d, %+v, %+v", r.ExitCode(), r.Bad, r.Balance)
	}
	files := m.snapshot()
	packed := r.Segments[3] + packedSuffix
	step := 61
	if long {
		step = 1
	}
	inParallel(len(files[packed])*8, step, func(i int) {
		data := bytes.Clone(files[packed])
		data[i/8] ^= 1 << (i % 8)
		if r := verifyMem(t, with(files, packed, data)); r.ExitCode() != ExitTampered && i/8 > 8 {
			// A flipped bit may still unpack to the same bytes: then nothing is lost.
			same, _ := unpacked(t, data)
			want, _ := unpacked(t, files[packed])
			if !bytes.Equal(same, want) {
				t.Errorf("bit %d of byte %d: exit %d", i%8, i/8, r.ExitCode())
			}
		}
	})
}

func unpacked(t *testing.T, data []byte) ([]byte, error) {
	t.Helper()
	r, err := openPacked(newMemFS(map[string][]byte{"x": data}), "log/x")
	check(t, err)
	defer func() { check(t, r.Close()) }()
	return io.ReadAll(r)
}

func TestSourceIsKeptOnce(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(t.Context(), dir, Options{})
	check(t, err)
	source := []byte("version: 1\n")
	for range 2 {
		check(t, l.KeepSource(source))
	}
	check(t, l.Close(t.Context()))
	names, err := vfs.OS{}.ReadDir(filepath.Join(dir, sourcesName))
	check(t, err)
	if want := Hash(sha256.Sum256(source)).String(); len(names) != 1 || names[0] != want {
		t.Errorf("%v, want %s", names, want)
	}
	kept, err := readAll(vfs.OS{}, filepath.Join(dir, sourcesName, names[0]))
	check(t, err)
	if !bytes.Equal(kept, source) {
		t.Errorf("kept %q", kept)
	}
}

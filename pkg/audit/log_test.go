// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReopenContinuesTheChain(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	var origin string
	for i := range 3 {
		l, err := Open(ctx, dir, Options{})
		check(t, err)
		if i > 0 && l.Origin() != origin {
			t.Fatalf("origin became %s", l.Origin())
		}
		origin = l.Origin()
		check(t, l.Append(&AgentStart{Version: "0.1"}))
		check(t, l.Close(ctx, &AgentStop{Reason: "done"}))
	}
	r, err := Verify(ctx, dir, VerifyOptions{Unanchored: true})
	check(t, err)
	if r.ExitCode() != ExitProven || r.Kinds[KindAgentStart] != 3 || len(r.Segments) != 1 || len(r.Recoveries) != 0 {
		t.Errorf("exit %d, %+v", r.ExitCode(), r)
	}
}

// Section 5 of the format: only bytes after the last commit record are set
// aside, whatever they are, and they are kept.
func TestReopenAfterTruncationAnywhere(t *testing.T) {
	files, segment := sampleLog(t, 6, 3)
	delete(files, headName)
	data := files[segment]
	commits := commitEnds(data)
	step := 13
	if long {
		step = 1
	}
	inParallel(len(data), step, func(cut int) {
		m := with(files, segment, data[:cut])
		l, err := Open(context.Background(), "log", memOptions(m))
		whole := 0
		for _, c := range commits {
			if c <= cut {
				whole = c
			}
		}
		if whole == 0 {
			var ce *CorruptionError
			if !errors.As(err, &ce) || ce.Segment != segment {
				t.Errorf("cut at %d before any commit: %v", cut, err)
			}
			return
		}
		if err != nil {
			t.Errorf("cut at %d: %v", cut, err)
			return
		}
		if err := l.Close(context.Background(), &AgentStop{Reason: "again"}); err != nil {
			t.Errorf("cut at %d: %v", cut, err)
		}
		after := m.snapshot()
		r := verifyMem(t, m)
		recoveries := min(1, cut-whole)
		if r.ExitCode() != ExitProven || len(r.Recoveries) != recoveries || !bytes.HasPrefix(after[segment], data[:whole]) {
			t.Errorf("cut at %d: exit %d, %d recoveries", cut, r.ExitCode(), len(r.Recoveries))
		}
		if recoveries == 1 && !bytes.Equal(after[r.Recoveries[0].File], data[whole:cut]) {
			t.Errorf("cut at %d: torn bytes were not kept", cut)
		}
	})
}

func TestReopenRefusesDamage(t *testing.T) {
	files, segment := sampleLog(t, 6, 3)
	data := bytes.Clone(files[segment])
	at := bytes.Index(data, []byte("shadow-4"))
	data[at] = 'S'
	m := with(files, segment, data)
	_, err := Open(context.Background(), "log", memOptions(m))
	var ce *CorruptionError
	if !errors.As(err, &ce) {
		t.Fatalf("got %v", err)
	}
	line := bytes.LastIndexByte(data[:at], '\n') + 1
	if ce.Segment != segment || ce.Offset != int64(line) || !strings.Contains(err.Error(), "record was changed") {
		t.Errorf("got %v, want offset %d", err, line)
	}
	left := m.snapshot()
	delete(left, lockName)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(left))); diff != "" || !bytes.Equal(left[segment], data) {
		t.Errorf("the refused log was changed: %s", diff)
	}
}

func TestTwoWritersCannotMeet(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	l, err := Open(ctx, dir, Options{})
	check(t, err)
	if _, err := Open(ctx, dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("second writer: %v", err)
	}
	check(t, l.Close(ctx))
	l, err = Open(ctx, dir, Options{})
	check(t, err)
	check(t, l.Close(ctx))
	if err := l.Append(decision(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if err := l.Close(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("second close: %v", err)
	}
}

func TestLogOfAnotherNodeIsRefused(t *testing.T) {
	files, _ := sampleLog(t, 1, 1)
	opts := memOptions(newMemFS(files))
	opts.Node.UID = "n-2"
	var oe *OriginError
	if _, err := Open(context.Background(), "log", opts); !errors.As(err, &oe) || oe.Want != "c/n-2" {
		t.Errorf("got %v", err)
	}
	opts.Node.UID = "a b"
	opts.FS = newMemFS(nil)
	if _, err := Open(context.Background(), "log", opts); err == nil {
		t.Error("a node UID with a space was accepted")
	}
}

// stalled returns a log whose syncs wait for the returned function, and a
// channel that has something when a sync began.
func stalled(t *testing.T, queue int) (*Log, *memFS, func(), chan struct{}) {
	m := newMemFS(nil)
	opts := memOptions(m)
	opts.QueueRecords = queue
	l, err := Open(context.Background(), "log", opts)
	check(t, err)
	gate, began := make(chan struct{}), make(chan struct{}, 100)
	m.mu.Lock()
	m.fail = func(op, _ string) error {
		if op == "datasync" {
			began <- struct{}{}
			<-gate
		}
		return nil
	}
	m.mu.Unlock()
	return l, m, sync.OnceFunc(func() { close(gate) }), began
}

func TestAppendNeverWaitsForTheDisk(t *testing.T) {
	l, m, release, began := stalled(t, 100)
	defer release()
	check(t, l.Append(decision(1)))
	<-began // the disk stands still
	taken, refused := 1, 0
	for i := range 200 {
		switch err := l.Append(decision(uint64(i + 2))); {
		case err == nil:
			taken++
		case errors.Is(err, ErrQueueFull):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if taken != 100 || refused != 101 {
		t.Errorf("took %d, refused %d", taken, refused)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := l.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("flush with the disk stalled: %v", err)
	}
	release()
	check(t, l.Flush(context.Background()))
	if s := l.Stats(); s != (Stats{Appended: 100, Durable: 100, Refused: 101}) {
		t.Errorf("stats %+v", s)
	}
	check(t, l.Append(&Loss{Reason: "queue-full", Ranges: []SeqRange{{101, 201}}}))
	check(t, l.Close(context.Background(), &AgentStop{CPUs: []CPUCounters{{Seq: 201, Emitted: 201}}}))
	r := verifyMem(t, m)
	if r.ExitCode() != ExitProven || r.Balance.Declared != 101 || r.Balance.Seen != 100 {
		t.Errorf("exit %d, balance %+v", r.ExitCode(), r.Balance)
	}
}

// A log that reached further than its last commit record now does was cut back,
// whatever the place; the machine remembers.
func TestReopenRefusesLogBehindItsHead(t *testing.T) {
	files, segment := sampleLog(t, 6, 3)
	head, err := ReadCheckpoint(files[headName])
	check(t, err)
	data := files[segment]
	commits, refused := commitEnds(data), 0
	for _, cut := range commits {
		m := with(files, segment, data[:cut])
		seq := uint64(bytes.Count(data[:cut], []byte{'\n'}) - 1)
		r := verifyMem(t, m)
		l, err := Open(context.Background(), "log", memOptions(m))
		if seq >= head.Size {
			check(t, err)
			check(t, l.Close(context.Background()))
			continue
		}
		refused++
		var ce *CorruptionError
		if !errors.As(err, &ce) || ce.Segment != headName || r.ExitCode() != ExitTampered {
			t.Errorf("cut after record %d of %d: %v, exit %d", seq, head.Size, err, r.ExitCode())
		}
	}
	if refused == 0 {
		t.Error("the head is behind every commit")
	}
}

// failing makes every operation that a test names fail, until it is called again
// with none.
func (m *memFS) failing(err error, ops ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = func(op, _ string) error {
		if slices.Contains(ops, op) {
			return err
		}
		return nil
	}
}

// After a failed write or sync the log goes on in another segment, and nothing
// that was appended is lost.
func TestLogGoesOnInAnotherSegment(t *testing.T) {
	for _, op := range []string{"write", "datasync"} {
		t.Run(op, func(t *testing.T) {
			m, ctx := newMemFS(nil), context.Background()
			l := openMem(t, m)
			check(t, l.Append(decision(1)))
			check(t, l.Flush(ctx))
			broken := errors.New("disk is gone")
			m.failing(broken, op)
			check(t, l.Append(decision(2)))
			for l.Stats().Failing == nil {
				time.Sleep(time.Millisecond)
			}
			if err := l.Stats().Failing; !errors.Is(err, broken) {
				t.Fatalf("failing: %v", err)
			}
			check(t, l.Append(decision(3)))
			m.failing(nil)
			check(t, l.Flush(ctx))
			if s := l.Stats(); s.Failing != nil || s.Durable != 3 {
				t.Errorf("%+v", s)
			}
			check(t, l.Close(ctx, &AgentStop{}))
			r := verifyMem(t, m)
			if r.ExitCode() != ExitProven || r.Verdicts["deny"] != 3 || len(r.Segments) != 2 || len(r.Recoveries) != 1 {
				t.Errorf("exit %d, %+v, %v, %v", r.ExitCode(), r.Bad, r.Verdicts, r.Segments)
			}
			l = openMem(t, m)
			check(t, l.Close(ctx))
			if r := verifyMem(t, m); r.ExitCode() != ExitProven {
				t.Errorf("after another start: exit %d, %+v", r.ExitCode(), r.Bad)
			}
		})
	}
}

// A log that is closed while the disk is gone says so, and what was durable
// verifies.
func TestClosedWhileTheDiskIsGone(t *testing.T) {
	m, ctx := newMemFS(nil), context.Background()
	l := openMem(t, m)
	check(t, l.Append(decision(1)))
	check(t, l.Flush(ctx))
	broken := errors.New("disk is gone")
	m.failing(broken, "write", "datasync", "sync")
	check(t, l.Append(decision(2)))
	var fe *FailedError
	if err := l.Close(ctx, &AgentStop{}); !errors.As(err, &fe) || !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
	if err := l.Append(decision(3)); !errors.As(err, &fe) {
		t.Errorf("append: %v", err)
	}
	m.failing(nil)
	l = openMem(t, m)
	check(t, l.Close(ctx))
	if r := verifyMem(t, m); r.ExitCode() != ExitProven || r.Verdicts["deny"] < 1 {
		t.Errorf("exit %d, %v", r.ExitCode(), r.Verdicts)
	}
}

// A birth that stops at any step leaves a directory in which the next one
// succeeds.
func TestBirthCutShortAnywhere(t *testing.T) {
	for stop := range 100 {
		m := newMemFS(nil)
		n := 0
		m.fail = func(op, name string) error {
			if n++; n > stop {
				return fmt.Errorf("stopped before %s %s", op, name)
			}
			return nil
		}
		l, err := Open(context.Background(), "log", memOptions(m))
		m.fail = nil
		if err == nil {
			check(t, l.Close(context.Background()))
			if stop < 10 {
				t.Fatalf("a birth of only %d steps", stop)
			}
			return
		}
		l, err = Open(context.Background(), "log", memOptions(m))
		if err != nil {
			t.Fatalf("stopped after %d steps: %v", stop, err)
		}
		check(t, l.Close(context.Background()))
		if r := verifyMem(t, m); r.ExitCode() != ExitProven || len(r.Segments) != 1 || r.Segments[0] == birthTmpName {
			t.Fatalf("stopped after %d steps: exit %d, %+v", stop, r.ExitCode(), r)
		}
	}
}

func TestRecordsOfManyGoroutines(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	l, err := Open(ctx, dir, Options{})
	check(t, err)
	check(t, l.Append(&AgentStart{LoadID: "x"}))
	var wg sync.WaitGroup
	const each = 500
	for cpu := range uint32(4) {
		wg.Go(func() {
			for i := range uint64(each) {
				d := decision(i + 1)
				d.CPU = cpu
				if err := l.Append(d); err != nil {
					t.Error(err)
				}
				if i%100 == 0 {
					if err := l.Flush(ctx); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	stop := &AgentStop{}
	for cpu := range uint32(4) {
		stop.CPUs = append(stop.CPUs, CPUCounters{CPU: cpu, Seq: each, Emitted: each})
	}
	check(t, l.Close(ctx, stop))
	r, err := Verify(ctx, dir, VerifyOptions{Unanchored: true})
	check(t, err)
	if r.ExitCode() != ExitProven || r.Balance.Seen != 4*each || r.Verdicts["deny"] != 4*each {
		t.Errorf("exit %d, balance %+v", r.ExitCode(), r.Balance)
	}
}

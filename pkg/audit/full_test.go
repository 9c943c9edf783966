// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// fullOptions are of a log whose queue is short.
func fullOptions(m *memFS) (Options, *jumpMachine) {
	o, machine := lifeOptions(m)
	o.RemoveWhenFull, o.MaxBytes, o.QueueRecords = false, 1<<30, 50
	return o, machine
}

// A log whose disk is full waits for room. What it has taken is written then;
// what it refused is the caller's to declare, and it does.
func TestFullDiskIsWaitedFor(t *testing.T) {
	m := newMemFS(nil)
	m.room = 40 << 10
	o, _ := fullOptions(m)
	l, err := Open(t.Context(), "log", o)
	check(t, err)
	check(t, l.Append(&AgentStart{LoadID: "load-1"}))
	var refused []SeqRange
	n := uint64(0)
	for len(refused) < 20 {
		n++
		switch err := l.Append(decision(n)); {
		case errors.Is(err, ErrQueueFull):
			if l.Stats().Failing == nil { // only busy yet
				n--
				time.Sleep(100 * time.Microsecond)
				continue
			}
			refused = append(refused, SeqRange{n, n})
		default:
			check(t, err)
		}
	}
	if s := l.Stats(); !isFull(s.Failing) || s.Refused < 20 {
		t.Fatalf("%+v", s)
	}
	m.setRoom(1 << 30)
	check(t, l.Flush(t.Context()))
	check(t, l.Append(&Loss{Reason: "queue-full", Ranges: refused}))
	check(t, l.Close(t.Context(), &AgentStop{Reason: "done", CPUs: []CPUCounters{{Seq: n}}}))
	r := verifyMem(t, m)
	b := r.Balance
	if r.ExitCode() != ExitProven || b.Seen+20 != n || b.Declared != 20 || r.Kinds[KindRecovery] == 0 || r.FirstSeq != 0 {
		t.Errorf("exit %d, %+v, %d numbers, balance %+v, %v", r.ExitCode(), r.Bad, n, b, r.Kinds)
	}
}

// Where the operator allows it a full disk costs the oldest segments, and the log
// says so: nothing waits, and nothing is lost that was not removed whole.
func TestFullDiskCostsTheOldest(t *testing.T) {
	m := newMemFS(nil)
	m.room = 600 << 10
	o, machine := lifeOptions(m)
	o.SegmentBytes, o.MaxBytes, o.PackAfter = 64<<10, 1<<30, 1000*time.Hour
	const numbers = 1500
	l, err := Open(t.Context(), "log", o)
	check(t, err)
	check(t, l.Append(&AgentStart{LoadID: "load-1"}))
	for n := uint64(1); n <= numbers; n++ {
		check(t, l.Append(decision(n)))
		if n%3 == 0 {
			machine.jump(time.Second)
			check(t, l.Flush(t.Context()))
		}
	}
	check(t, l.Close(t.Context(), &AgentStop{Reason: "done", CPUs: []CPUCounters{{Seq: numbers}}}))
	r := verifyMem(t, m)
	b := r.Balance
	if r.ExitCode() != ExitProven || b.Seen != numbers || b.Declared != 0 || r.FirstSeq == 0 || r.Kinds[KindSegmentRemoved] == 0 {
		t.Errorf("exit %d, %+v, from %d, balance %+v, %v", r.ExitCode(), r.Bad, r.FirstSeq, b, r.Kinds)
	}
}

// rooms runs f for disks of every size from least to most.
func rooms(t *testing.T, least, most, every int, f func(room int)) {
	t.Helper()
	switch {
	case testing.Short():
		every *= 5
	case long:
		every = max(1, every/10)
	}
	n := (most - least) / every
	inParallel(n, 1, func(i int) { f(least + i*every) })
}

// Wherever in a log's life the disk becomes full (its birth, an append, a seal, the
// next segment, headers, keys, the reserve), with room again the next writer goes
// on, and nothing acknowledged is gone.
func TestDiskFullAnywhere(t *testing.T) {
	rooms(t, 1, 90<<10, 1499, func(room int) {
		m := newMemFS(nil)
		m.room = room
		o, machine := fullOptions(m)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		var durable atomic.Uint64
		_ = leadAndLeave(ctx, o, machine, durable.Store)
		m.setRoom(0)
		mustHold(t, fmt.Sprintf("a disk of %d bytes", room), m, durable.Load())
	})
}

// A disk that is full when a tear has to be repaired: the log is not opened, however
// often that is tried, and with room it is repaired.
func TestDiskFullInRecovery(t *testing.T) {
	files, segment := sampleLog(t, 30, 3)
	delete(files, headName)
	ends := commitEnds(files[segment])
	torn := files[segment][:ends[len(ends)-2]+700]
	files[segment] = torn
	delete(files, reserveName)
	used := 0
	for _, data := range files {
		used += len(data)
	}
	refused, opened := 0, 0
	for room := used; room < used+4000; room += 97 {
		m := newMemFS(files)
		m.room = room
		o := memOptions(m)
		for range 3 {
			l, err := Open(t.Context(), "log", o)
			if err != nil {
				if !isFull(err) {
					t.Errorf("%d bytes free: %v", room-used, err)
				}
				refused++
				continue
			}
			opened++
			m.setRoom(0)
			check(t, l.Close(t.Context()))
			break
		}
		m.setRoom(0)
		l, err := Open(t.Context(), "log", o)
		check(t, err)
		check(t, l.Close(t.Context()))
		if r := verifyMem(t, m); r.ExitCode() != ExitProven || r.Kinds[KindRecovery] == 0 {
			t.Errorf("%d bytes free: exit %d, %+v, %v", room-used, r.ExitCode(), r.Bad, r.Kinds)
		}
	}
	if refused == 0 || opened == 0 {
		t.Errorf("%d times refused, %d times opened, %d bytes used", refused, opened, used)
	}
}

// A full disk at the start takes the reserve.
func TestReserveIsGivenBackAtTheStart(t *testing.T) {
	files, segment := sampleLog(t, 30, 3)
	delete(files, headName)
	ends := commitEnds(files[segment])
	files[segment] = files[segment][:ends[len(ends)-2]+700]
	files[reserveName] = make([]byte, 64<<10)
	m := newMemFS(files)
	used := 0
	for _, data := range files {
		used += len(data)
	}
	m.room = used
	l, err := Open(t.Context(), "log", memOptions(m))
	check(t, err)
	check(t, l.Close(t.Context()))
	if r := verifyMem(t, m); r.ExitCode() != ExitProven || r.Kinds[KindRecovery] != 1 {
		t.Errorf("exit %d, %+v, %v", r.ExitCode(), r.Bad, r.Kinds)
	}
}

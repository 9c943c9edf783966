// SPDX-License-Identifier: MIT

package audit

import (
	"strings"
	"testing"
	"time"
)

// setMachine is a machine whose wall clock somebody sets.
type setMachine struct {
	*fakeMachine
	off time.Duration
}

func (m *setMachine) Now() time.Time {
	m.mu.Lock()
	off := m.off
	m.mu.Unlock()
	return m.fakeMachine.Now().Add(off)
}

// Whoever sets the clock is on the record, and moves no record.
func TestClockStep(t *testing.T) {
	fs := newMemFS(nil)
	opts := memOptions(fs)
	clock := &setMachine{fakeMachine: &fakeMachine{boot: "boot-1"}}
	opts.Machine = clock
	l, err := Open(t.Context(), "log", opts)
	check(t, err)
	for n, off := range []time.Duration{0, -time.Hour, -time.Hour, time.Hour} {
		clock.mu.Lock()
		clock.off = off
		clock.mu.Unlock()
		check(t, l.Append(decision(uint64(n+1))))
		check(t, l.Flush(t.Context()))
	}
	check(t, l.Close(t.Context()))
	r := verifyMem(t, fs)
	if r.Bad != nil || r.Kinds[KindClockStep] != 2 || r.Kinds[KindDecision] != 4 {
		t.Errorf("%v %+v", r.Kinds, r.Bad)
	}
	if s := strings.Join(r.Statement, " "); !strings.Contains(s, "clock was set 2 times") {
		t.Error(s)
	}
	out := tailMem(t, fs, TailOptions{N: -1})
	back, forth := strings.Index(out, "moved by -1h0m0s"), strings.Index(out, "moved by 2h0m0s")
	if back < 0 || forth < back {
		t.Errorf("not said, or not in order:\n%s", out)
	}
}

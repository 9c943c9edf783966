// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFound: a log says where it stands with the load that it was at, and only
// by what is committed.
func TestFound(t *testing.T) {
	m := newMemFS(nil)
	l := openMem(t, m)
	if !l.Born() || l.Found().LoadID != "" {
		t.Errorf("a new log: born %v, found %+v", l.Born(), l.Found())
	}
	for _, rec := range []Record{
		&AgentStart{LoadID: "old"}, decision(1),
		&AgentStart{LoadID: "l1", CPUs: []CPUCounters{{CPU: 0, Seq: 4, Counted: 100}}},
		decision(6), decision(5), decision(9), decision(10), &Loss{Ranges: []SeqRange{{12, 13}}},
		&Counted{Count: 7}, &Loss{Counted: 2}, &Counted{Count: 1},
	} {
		check(t, l.Append(rec))
	}
	check(t, l.Flush(context.Background()))
	want := Standing{LoadID: "l1", Counted: 10, CPUs: []CPUStanding{{
		Last: 13, Missing: []SeqRange{{7, 8}, {11, 11}}, CountedBase: 100,
	}}}
	files := m.snapshot()
	check(t, l.Append(decision(14)))
	check(t, l.Flush(context.Background()))
	var segment string
	for name := range files {
		if segmentName.MatchString(name) {
			segment = name
		}
	}
	// The commit of number 14 is torn: its record is whole.
	torn := m.snapshot()[segment]
	for name, m := range map[string]*memFS{
		"closed": newMemFS(files),
		"torn":   with(files, segment, torn[:len(torn)-10]),
	} {
		l := openMem(t, m)
		if d := cmp.Diff(want, l.Found()); d != "" || l.Born() {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		check(t, l.Close(context.Background()))
	}
	o := memOptions(newMemFS(files))
	o.Machine = &fakeMachine{boot: "boot-2"}
	l, err := Open(context.Background(), "log", o)
	check(t, err)
	if got := l.Found(); got.LoadID != "" || got.CPUs != nil {
		t.Errorf("after a boot: %+v", got)
	}
}

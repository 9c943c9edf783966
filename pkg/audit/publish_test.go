// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// far is an anchor that refuses while it is told to.
type far struct {
	mu     sync.Mutex
	refuse error
	has    []*Published
}

func (*far) Name() string { return "far" }

func (f *far) Ship(_ context.Context, p *Published) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse == nil {
		f.has = append(f.has, p)
	}
	return f.refuse
}

func (f *far) last() *Published {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.has) == 0 {
		return nil
	}
	return f.has[len(f.has)-1]
}

func (f *far) setRefuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = err
}

// What an anchor has is signed and durable, the log meets it, and the log says
// what the anchor has and that it lags.
func TestCheckpointsAreShipped(t *testing.T) {
	m, f := newMemFS(nil), &far{refuse: errors.New("cannot be reached")}
	o := memOptions(m)
	machine := &jumpMachine{fakeMachine: fakeMachine{boot: "boot-1"}}
	o.Anchors, o.Machine = []Shipper{f}, machine
	l, err := Open(t.Context(), "log", o)
	check(t, err)
	check(t, l.Append(decision(1)))
	recorded := func(kind string) {
		t.Helper()
		for verifyMem(t, m).Kinds[kind] == 0 {
			machine.jump(time.Second)
			time.Sleep(time.Millisecond)
		}
	}
	recorded(KindShipLagging)
	f.setRefuse(nil)
	machine.jump(2 * time.Second)
	check(t, l.Append(decision(2)))
	recorded(KindShipAcked)
	check(t, l.Close(t.Context(), &AgentStop{Reason: "done", CPUs: []CPUCounters{{Seq: 2}}}))
	p := f.last()
	if c, err := ParseCheckpoint(p.Note, l.out.key.public); err != nil || *c != p.Checkpoint {
		t.Fatalf("shipped %q: %v", p.Note, err)
	}
	r, err := Verify(t.Context(), "log", VerifyOptions{FS: m, Anchors: []Anchor{{Origin: p.Origin, Size: p.Size, Root: p.Root, Source: "far"}}})
	check(t, err)
	// The last checkpoint comes with the last commit: nothing but that follows it.
	if r.ExitCode() != ExitProven || r.Anchored != p.Size || r.LastSeq != p.Size+1 {
		t.Errorf("exit %d, anchored %d of %d: %+v", r.ExitCode(), r.Anchored, r.LastSeq, r.Bad)
	}
}

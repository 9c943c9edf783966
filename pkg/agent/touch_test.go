package agent

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// TestTouch: what a process that nothing gates does to something of ours is a
// record of its own, which names the process, the object and why.
func TestTouch(t *testing.T) {
	r, m, _, _ := newRecorder(t, "")
	dir := t.TempDir()
	if err := r.Protected([]string{dir}); err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	e := &loader.Event{
		Verdict: loader.Deny, Hook: "inode_unlink", CPU: 3, Seq: 7, Time: time.Second, Errno: -13, Cgroup: 5, PID: 10, TID: 11, UID: 1, GID: 2,
		StartTime: 9, Comm: "rm", Subject: []byte("segment"), Touch: &loader.Touch{Object: loader.ObjectFile, ID: st.Ino, Held: 4},
	}
	e.Parent.PID, e.Parent.Comm = 1, "init"
	if err := r.Event(e); err != nil {
		t.Fatal(err)
	}
	got := last[*audit.Guard](t, m)
	want := &audit.Guard{
		Verdict: audit.Deny, Hook: "inode_unlink", CPU: 3, KSeq: 7, KernelTime: uint64(time.Second), Object: "file", ObjectID: st.Ino,
		Subject: []byte(dir + "/segment"), Held: 4, Errno: 13, CgroupID: 5,
		Process: audit.Process{PID: 10, TID: 11, StartTime: 9, UID: 1, GID: 2, Comm: []byte("rm")},
		Parent:  audit.Parent{PID: 1, Comm: []byte("init")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
	if got.Kind() != audit.KindGuardDenied {
		t.Errorf("kind %s", got.Kind())
	}

	e.Verdict, e.Errno, e.Seq = loader.Allow, 0, 8
	e.Touch = &loader.Touch{Object: loader.ObjectMap, ID: 12, Why: loader.WhyTakeover}
	if err := r.Event(e); err != nil {
		t.Fatal(err)
	}
	if got := last[*audit.Guard](t, m); got.Kind() != audit.KindGuardAllowed || got.Why != "takeover" || got.Object != "map" || got.ObjectID != 12 {
		t.Errorf("allowed: %+v", got)
	}
	if err := r.Protected([]string{dir + "/none"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// TestTouchHeld: touches that the kernel only counted are in the log once.
func TestTouchHeld(t *testing.T) {
	r, m, _, _ := newRecorder(t, "")
	r.From([]loader.CPUStats{{CPU: 1, GuardHeld: 5}})
	before := len(m.records)
	for _, total := range []uint64{5, 8, 8} {
		if err := r.Counters([]loader.CPUStats{{CPU: 1, GuardHeld: total}}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(m.records) - before; n != 1 {
		t.Fatalf("%d records, want 1", n)
	}
	if got := last[*audit.GuardHeld](t, m); got.CPU != 1 || got.Count != 3 {
		t.Errorf("%+v", got)
	}
}

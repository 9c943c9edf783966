package loader

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSignalsOutward: each signal to a process outside is a record that names
// it; a call that signals all processes is one, and every refusal is counted.
func TestSignalsOutward(t *testing.T) {
	g := sharedGate(t)
	n, tb := install(t, g, only("/nothing"))
	gr := newGroup(t, cgroupRoot)
	c := startChild(t, gr)
	other := startChild(t, newGroup(t, cgroupRoot))
	sibling := startChild(t, gr)
	bind(t, g, gr, BindAny, n)
	if _, err := g.ArmExisting(); err != nil {
		t.Fatal(err)
	}
	refused := func() (n uint64) {
		st, err := g.Stats()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range st {
			n += s.Outward
		}
		return n
	}
	recorded := func() (to []uint32) {
		for _, e := range drain(t, g) {
			if tb.Rules[e.Rule].Name != "builtin/signal" {
				continue
			}
			if e.Hook != "task_kill" || e.Verdict != Deny {
				t.Errorf("signal recorded as verdict %d by %s", e.Verdict, e.Hook)
			}
			to = append(to, e.Requested)
		}
		return to
	}
	cont := int(unix.SIGCONT)
	c.want("ok", "kill %d %d", sibling.proc.Pid, cont)
	c.want("ok", "kill %d 0", other.proc.Pid)
	if to := recorded(); len(to) != 0 {
		t.Errorf("allowed, and recorded: %v", to)
	}
	before := refused()
	for _, pid := range []int{os.Getpid(), other.proc.Pid, os.Getpid()} {
		c.want("EACCES", "kill %d %d", pid, cont)
		if to := recorded(); len(to) != 1 || to[0] != uint32(pid) {
			t.Errorf("signal to %d: records name %v", pid, to)
		}
	}
	if n := refused() - before; n != 3 {
		t.Errorf("%d refusals counted, want 3", n)
	}
	for range 2 {
		before, began := refused(), time.Now()
		// How it ends is what the last one asked says.
		if got := c.ask("kill -1 %d", cont); got != "ok" && got != "EACCES" {
			t.Errorf("signal to all: %s", got)
		}
		to, took := recorded(), time.Since(began)
		// A second record for each second that the call took.
		if most := 1 + int(took/time.Second) + 1; len(to) < 1 || took < time.Second/2 && len(to) > 2 || len(to) > most {
			t.Errorf("signal to all, in %v: records name %v", took, to)
		}
		if n := refused() - before; n < 10 {
			t.Errorf("signal to all: %d refusals counted", n)
		}
	}
}

package loader

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// threads are the thread ids of a process.
func threads(t *testing.T, pid int) []uint32 {
	t.Helper()
	es, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	var out []uint32
	for _, e := range es {
		n, err := strconv.ParseUint(e.Name(), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, uint32(n))
	}
	return out
}

func TestArmExisting(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	a, b := file(t, dir, "a"), file(t, dir, "b")
	n, tb := install(t, g, only(a))
	gr := newGroup(t, cgroupRoot)
	c := startChild(t, gr)
	c.want("ok", "threads 4")
	held := c.number("hold %s", b)
	bind(t, g, gr, BindAny, n)
	c.want("ok", "open %s", b) // a binding alone changes nothing for what runs
	drain(t, g)

	before := threads(t, c.proc.Pid)
	if len(before) < 5 {
		t.Errorf("threads %v, want at least 5", before)
	}
	tids, err := g.ArmExisting()
	if err != nil {
		t.Fatal(err)
	}
	for _, tid := range before {
		if !slices.Contains(tids, tid) {
			t.Errorf("thread %d is not among the armed %v", tid, tids)
		}
	}
	c.want("EACCES", "open %s", b)
	c.want("ok", "open %s", a)
	c.want("ok", "read %d", held)
	es := drain(t, g)
	if e := one(t, es, tb, b, "default", Deny); !e.Late || e.Cgroup != gr.id {
		t.Errorf("event %+v: want it late, by cgroup %d", *e, gr.id)
	}
	if tids, err := g.ArmExisting(); err != nil || len(tids) != 0 {
		t.Errorf("armed again: %v, %v", tids, err)
	}
	// One that starts after the bind is not late; its own exec armed it.
	d := startChild(t, gr)
	d.want("EACCES", "open %s", b)
	if e := one(t, drain(t, g), tb, b, "default", Deny); e.Late {
		t.Errorf("event %+v: not late", *e)
	}
}

// TestArmExistingForking: whatever a process forks while it is armed is armed
// too. The children that came after ArmExisting returned are all denied.
func TestArmExistingForking(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	for range 5 {
		n, _ := install(t, g, only("/nothing"))
		gr := newGroup(t, cgroupRoot)
		var cs []*child
		for range 2 {
			cs = append(cs, startChild(t, gr))
		}
		answers := make(chan string, len(cs))
		for _, c := range cs {
			go func() { answers <- c.ask("forks 60 %s", f) }()
		}
		bind(t, g, gr, BindAny, n)
		if _, err := g.ArmExisting(); err != nil {
			t.Fatal(err)
		}
		for range cs {
			var ok, denied int
			if s := <-answers; !scan(s, "ok %d denied %d", &ok, &denied) {
				t.Fatal(s)
			}
		}
		for _, c := range cs {
			if ok, denied := c.tally("forks 20 %s", f); ok != 0 || denied != 20 {
				t.Errorf("after arming: %d forked children opened the file, %d were denied", ok, denied)
			}
		}
	}
}

func TestBindInherit(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, tb := install(t, g, only("/nothing"))
	top := newGroup(t, cgroupRoot)
	early := newGroup(t, top.dir) // made before the bind: not bound
	bind(t, g, top, BindAny, n)
	late := newGroup(t, top.dir)
	nested := newGroup(t, late.dir)

	startChild(t, early).want("ok", "open %s", f)
	for _, gr := range []group{top, late, nested} {
		drain(t, g)
		startChild(t, gr).want("EACCES", "open %s", f)
		if e := one(t, drain(t, g), tb, f, "default", Deny); e.Cgroup != top.id {
			t.Errorf("cgroup %d in the event, want the bound one, %d", e.Cgroup, top.id)
		}
	}
	// A cgroup that is gone leaves no binding to whoever gets its id.
	gone := newGroup(t, top.dir)
	var b safeclawBinding
	if err := g.coll.Maps[safeclawMapBindings].Lookup(gone.id, &b); err != nil {
		t.Errorf("binding of a new child cgroup: %v", err)
	}
	if err := os.Remove(gone.dir); err != nil {
		t.Fatal(err)
	}
	if err := g.coll.Maps[safeclawMapBindings].Lookup(gone.id, &b); err == nil {
		t.Error("the binding outlived its cgroup")
	}
	// Unbind: what starts from now on is free.
	if err := g.Unbind(top.id); err != nil {
		t.Fatal(err)
	}
	startChild(t, top).want("ok", "open %s", f)
	startChild(t, late).want("EACCES", "open %s", f)
	if s := total(t, g); s.BindLost != 0 {
		t.Errorf("%d bindings lost", s.BindLost)
	}
}

func TestBindExempt(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, _ := install(t, g, only("/nothing"))
	top := newGroup(t, cgroupRoot)
	bind(t, g, top, BindAny, n)
	exempt := newGroup(t, top.dir)
	bind(t, g, exempt, BindExempt, 0)
	below := newGroup(t, exempt.dir)
	inExempt := startChild(t, exempt)
	inExempt.want("ok", "open %s", f)
	startChild(t, below).want("ok", "open %s", f)
	if tids, err := g.ArmExisting(); err != nil || len(tids) != 0 {
		t.Errorf("armed %v, %v; want nothing", tids, err)
	}
	inExempt.want("ok", "open %s", f)
	startChild(t, top).want("EACCES", "open %s", f)
}

// TestSticky: no cgroup frees an armed task, neither an unbound nor an exempt
// one, nor does the end of the binding.
func TestSticky(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	src := "version: 1\nbaseline: none\nrules:\n  - {action: process.exec, path: \"/**\", decision: allow}\n"
	n, tb := install(t, g, src)
	gr, out := newGroup(t, cgroupRoot), newGroup(t, cgroupRoot)
	exempt := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	bind(t, g, exempt, BindExempt, 0)
	c := startChild(t, gr)
	for _, dir := range []string{gr.dir, out.dir, exempt.dir, cgroupRoot} {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), strconv.AppendInt(nil, int64(c.proc.Pid), 10), 0); err != nil {
			t.Fatal(err)
		}
		drain(t, g)
		c.want("EACCES", "open %s", f)
		if e := one(t, drain(t, g), tb, f, "default", Deny); e.Cgroup != gr.id {
			t.Errorf("in %s: cgroup %d, want %d", dir, e.Cgroup, gr.id)
		}
		c.want("EACCES", "fork %s", f)
		// busybox needs to read the file that it is told to: 1 from cat.
		if got := c.ask("exec /bin/busybox cat %s", f); got != "error: /bin/busybox ended with 1" {
			t.Errorf("in %s: a program started by the child: %s", dir, got)
		}
	}
	if err := g.Unbind(gr.id); err != nil {
		t.Fatal(err)
	}
	c.want("EACCES", "open %s", f)
}

func TestForkInherits(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	a, b := file(t, dir, "a"), file(t, dir, "b")
	n, tb := install(t, g, only(a))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	drain(t, g)
	c.want("ok", "open %s", a)
	c.want("ok", "fork %s", a)
	c.want("EACCES", "fork %s", b)
	es := drain(t, g)
	own := about(es, a)
	if len(own) != 2 {
		t.Fatalf("%d events about %s, want 2", len(own), a)
	}
	forked := one(t, es, tb, b, "default", Deny)
	if forked.PID == uint32(c.proc.Pid) || forked.Parent.PID != uint32(c.proc.Pid) || forked.ExeID != own[0].ExeID || forked.Cgroup != gr.id {
		t.Errorf("event of the forked process %+v: want parent %d, executable %x", *forked, c.proc.Pid, own[0].ExeID)
	}
	if forked.StartTime < own[0].StartTime || forked.Parent.StartTime != own[0].StartTime {
		t.Errorf("start times: own %v, parent's %v, want the latter %v", forked.StartTime, forked.Parent.StartTime, own[0].StartTime)
	}
	if ok, denied := c.tally("forks 50 %s", b); ok != 0 || denied != 50 {
		t.Errorf("%d of 50 forked children got through", ok)
	}
}

// TestBindContainer: a task on the host's root is the container's runtime and
// stays free; the first exec on another root is gated, with all that follows.
func TestBindContainer(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, _ := install(t, g, only("/nothing"))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindContainer, n)
	host := startChild(t, gr)
	host.want("ok", "open %s", f)
	host.want("ok", "exec /bin/busybox cat %s", f)
	if tids, err := g.ArmExisting(); err != nil || len(tids) != 0 {
		t.Errorf("armed %v, %v; want nothing on the host's root", tids, err)
	}
	host.want("ok", "open %s", f)

	root := t.TempDir()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "self"), self, 0o755); err != nil {
		t.Fatal(err)
	}
	file(t, root, "f")
	chrooted := func(cmd *exec.Cmd) {
		cmd.Path, cmd.SysProcAttr.Chroot, cmd.Dir = "/self", root, "/"
	}
	drain(t, g)
	startChild(t, gr, chrooted).want("EACCES", "open /f")
	// Its path is the whole one: chroot shortens nothing.
	if es := about(drain(t, g), filepath.Join(root, "f")); len(es) != 1 {
		t.Errorf("%d events about the file in the chroot", len(es))
	}

	// What runs on another root at the time of the bind is armed late.
	other := newGroup(t, cgroupRoot)
	running := startChild(t, other, chrooted)
	running.want("ok", "open /f")
	bind(t, g, other, BindContainer, n)
	tids, err := g.ArmExisting()
	if err != nil || !slices.Contains(tids, uint32(running.proc.Pid)) {
		t.Errorf("armed %v, %v; want %d among them", tids, err, running.proc.Pid)
	}
	running.want("EACCES", "open /f")
	running.want("EACCES", "open /f %d", unix.O_WRONLY)
}

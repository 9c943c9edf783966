package loader

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLeaveByDescriptor: a descriptor from before the policy still moves the
// task out of its cgroup, and frees it from nothing.
func TestLeaveByDescriptor(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, tb := install(t, g, only("/nothing"))
	gr := newGroup(t, cgroupRoot)
	c := startChild(t, gr)
	procs := c.number("hold %s/cgroup.procs %d", cgroupRoot, unix.O_WRONLY)
	bind(t, g, gr, BindAny, n)
	if _, err := g.ArmExisting(); err != nil {
		t.Fatal(err)
	}
	c.want("EACCES", "open %s/cgroup.procs %d", cgroupRoot, unix.O_WRONLY)
	c.want("ok", "write %d 0", procs)
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.proc.Pid)); err != nil || !strings.Contains(string(b), "0::/\n") {
		t.Fatalf("it is in %s, %v", b, err)
	}
	drain(t, g)
	c.want("EACCES", "open %s", f)
	if e := one(t, drain(t, g), tb, f, "default", Deny); e.Cgroup != gr.id {
		t.Errorf("cgroup %d, want %d", e.Cgroup, gr.id)
	}
	c.want("EACCES", "fork %s", f)
}

// TestNamespaces: no new namespace and no other process's frees a task.
func TestNamespaces(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, _ := install(t, g, only("/nothing"))
	gr, free := newGroup(t, cgroupRoot), newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	out := startChild(t, free, func(cmd *exec.Cmd) { cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS })
	c := startChild(t, gr)
	for _, flags := range []int{unix.CLONE_NEWNS, unix.CLONE_NEWPID, unix.CLONE_NEWCGROUP, unix.CLONE_NEWIPC, unix.CLONE_NEWNET, unix.CLONE_NEWUTS} {
		out.want("ok", "unshare %d %s", flags, f)
		c.want("EACCES", "unshare %d %s", flags, f)
	}
	// A namespace of its own (0), the host's, and one that is neither's.
	mine := startChild(t, free)
	for _, pid := range []int{0, os.Getpid(), out.proc.Pid} {
		mine.want("ok", "setns %d %s", pid, f)
		if got := c.ask("setns %d %s", pid, f); got != "EACCES" && got != "EPERM" {
			t.Errorf("setns %d, then open: %s", pid, got)
		}
	}
	c.want("EACCES", "open %s", f)
}

// TestSocketFromBefore: a socket that was made before the task was gated, by
// itself, is no way out: the task decides, not the socket's cgroup.
func TestSocketFromBefore(t *testing.T) {
	g := sharedGate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	n, _ := install(t, g, only("/nothing"))
	gr := newGroup(t, cgroupRoot)
	c := startChild(t, gr)
	first, second := c.number("socket"), c.number("socket")
	c.want("ok", "connect-by %d %d", first, port)
	bind(t, g, gr, BindAny, n)
	if _, err := g.ArmExisting(); err != nil {
		t.Fatal(err)
	}
	c.want("EACCES", "connect-by %d %d", second, port)
}

// TestCgroupChurn: cgroups that come and go leave no binding behind, and none
// that comes under an unbound parent is bound.
func TestCgroupChurn(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, _ := install(t, g, only("/nothing"))
	top, free := newGroup(t, cgroupRoot), newGroup(t, cgroupRoot)
	bind(t, g, top, BindAny, n)
	bindings := func() (out int) {
		var id uint64
		var b safeclawBinding
		it := g.coll.Maps[safeclawMapBindings].Iterate()
		for it.Next(&id, &b) {
			out++
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := bindings()
	rounds := 500
	if long() {
		rounds = 5000
	}
	for i := range rounds {
		for _, parent := range []string{top.dir, free.dir} {
			dir := fmt.Sprintf("%s/churn-%d", parent, i%7)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if i%(rounds/5) == 0 {
				gr := group{dir: dir}
				want := "ok"
				if parent == top.dir {
					want = "EACCES"
				}
				c := startChild(t, gr)
				c.want(want, "open %s", f)
				if err := c.done(); err != nil {
					t.Fatal(err)
				}
			}
			removeGroup(t, dir)
		}
	}
	if after := bindings(); after != before {
		t.Errorf("%d bindings before, %d after", before, after)
	}
	if s := total(t, g); s.BindLost != 0 {
		t.Errorf("%d bindings lost", s.BindLost)
	}
}

// TestBindingsFull: a cgroup whose inherited binding did not fit the map is
// bound all the same, by what is bound above it; and it is counted.
func TestBindingsFull(t *testing.T) {
	g := ownGate(t, Options{})
	f := file(t, t.TempDir(), "f")
	n, tb := install(t, g, only("/nothing"))
	top := newGroup(t, cgroupRoot)
	bind(t, g, top, BindAny, n)
	m := g.coll.Maps[safeclawMapBindings]
	exempt := safeclawBinding{Flags: uint32(BindExempt)}
	for id := uint64(1) << 50; ; id++ {
		if err := m.Put(id, exempt); errors.Is(err, unix.E2BIG) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	late := newGroup(t, top.dir)
	below := newGroup(t, late.dir)
	if s := total(t, g); s.BindLost == 0 {
		t.Error("no binding was lost")
	}
	for _, gr := range []group{late, below} {
		c := startChild(t, gr)
		drain(t, g)
		c.want("EACCES", "open %s", f)
		if e := one(t, drain(t, g), tb, f, "default", Deny); e.Cgroup != top.id {
			t.Errorf("cgroup %d, want %d", e.Cgroup, top.id)
		}
	}
	startChild(t, newGroup(t, cgroupRoot)).want("ok", "open %s", f)
}

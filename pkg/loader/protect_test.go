package loader

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// protected is a gate of its own whose agent this process is, with a directory
// below another one, and a pin.
func protected(t *testing.T) (g *Gate, dir, pin string) {
	t.Helper()
	g = ownGate(t, Options{Protect: true})
	top := t.TempDir()
	dir = filepath.Join(top, "up", "log")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"segment", "sub/state"} {
		if err := os.WriteFile(filepath.Join(dir, f), []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pins, err := os.MkdirTemp("/sys/fs/bpf", "safeclaw-test-")
	if err != nil {
		t.Fatal(err)
	}
	pin = filepath.Join(pins, "maps", "bindings")
	if err := os.Mkdir(filepath.Dir(pin), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := g.coll.Maps[safeclawMapBindings].Pin(pin); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(pins); err != nil {
			t.Error(err)
		}
	})
	if err := g.Protect(Protection{Dirs: []string{dir, pins}}); err != nil {
		t.Fatal(err)
	}
	drain(t, g)
	return g, dir, pin
}

// touched wants one touch among the events: of an object, by a hook, with a verdict.
func touched(t *testing.T, es []*Event, o Object, hook string, v Verdict, why Why) *Event {
	t.Helper()
	for _, e := range es {
		if e.Touch != nil && e.Touch.Object == o && e.Hook == hook && e.Verdict == v && e.Touch.Why == why {
			return e
		}
	}
	t.Errorf("no record of verdict %d (%s) by %s on a %s; there is:%s", v, why, hook, o, list(es))
	return nil
}

// propagation makes every mount shared with other mount namespaces, or private.
func propagation(t *testing.T, how uintptr) {
	t.Helper()
	if err := unix.Mount("", "/", "", unix.MS_REC|how, ""); err != nil {
		t.Fatal(err)
	}
}

// keep makes a process the keeper of the links.
func keep(t *testing.T, g *Gate) (pid int) {
	t.Helper()
	cmd := exec.Command(busybox, "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		cmd.Wait() //nolint:errcheck // it was killed
	})
	if err := g.ProtectKeeper(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// attempt is one touch, what it is recorded as, and what the host itself gets.
type attempt struct {
	what   string
	object Object
	hook   string
	admin  string // how it ends from the host's mount namespace, where not ok
	end    string // how it ends from elsewhere, where not EACCES
}

// TestProtected: what is ours is out of reach of another container with all
// capabilities; the host's administrator may, and is recorded.
func TestProtected(t *testing.T) {
	g, dir, pin := protected(t)
	o, err := g.Objects()
	if err != nil {
		t.Fatal(err)
	}
	inner := slices.Max(o.Maps)
	_, tb := install(t, g, "version: 1\nrules: []\n")
	after, err := g.Objects()
	if err != nil {
		t.Fatal(err)
	}
	later := slices.Max(after.Maps)
	if later <= inner {
		t.Fatalf("installing table %x made no map: %d, %d", tb.ID, inner, later)
	}
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	if err := errors.Join(unix.Bind(l, &unix.SockaddrUnix{Name: dir + "/socket"}), unix.Listen(l, 9)); err != nil {
		t.Fatal(err)
	}
	pid, pins := os.Getpid(), filepath.Dir(filepath.Dir(pin))
	gr := newGroup(t, cgroupRoot)
	// A container's own mounts are its own; what it shares with the host is not.
	propagation(t, unix.MS_PRIVATE)
	t.Cleanup(func() { propagation(t, unix.MS_SHARED) })
	for _, what := range []string{"mount " + dir, "mount " + filepath.Dir(dir), "umount /sys/fs/bpf"} {
		if end := visitFrom(t, gr, unix.CLONE_NEWNS, "%s", what); end != "ok" {
			t.Errorf("%s, seen by nobody else: %s", what, end)
		}
	}
	if es := drain(t, g); slices.ContainsFunc(es, func(e *Event) bool { return e.Touch != nil && e.Touch.Object == ObjectMount }) {
		t.Errorf("mounts that nobody else sees are recorded:%s", list(es))
	}
	propagation(t, unix.MS_SHARED)
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "read %s/sub/state", dir); end != "ok" {
		t.Errorf("reading the log: %s", end)
	}
	keeper := keep(t, g)
	for _, a := range []attempt{
		{what: fmt.Sprint("map ", o.Maps[0]), object: ObjectMap, hook: "bpf_map"},
		{what: fmt.Sprint("map ", later), object: ObjectMap, hook: "bpf_map"},
		{what: "pinned " + pin, object: ObjectMap, hook: "bpf_map"},
		{what: fmt.Sprint("program ", o.Programs[0]), object: ObjectProgram, hook: "bpf_prog"},
		{what: fmt.Sprint("link ", o.Links[0]), object: ObjectLink, hook: "bpf"},
		{what: fmt.Sprint("kill ", pid), object: ObjectProcess, hook: "task_kill"},
		{what: fmt.Sprint("trace ", pid), object: ObjectProcess, hook: "ptrace_access_check", admin: "ESRCH"}, // runs on
		{what: fmt.Sprint("memory ", pid), object: ObjectProcess, hook: "ptrace_access_check"},
		{what: fmt.Sprint("limit ", pid), object: ObjectProcess, hook: "task_setrlimit"},
		{what: fmt.Sprint("nice ", pid), object: ObjectProcess, hook: "task_setnice"},
		{what: fmt.Sprint("affinity ", pid), object: ObjectProcess, hook: "task_setscheduler"},
		{what: "write " + dir + "/segment", object: ObjectFile, hook: "file_open"},
		{what: "write " + dir + "/sub/state", object: ObjectFile, hook: "file_open"},
		{what: "truncate " + dir + "/segment", object: ObjectFile, hook: "inode_setattr"},
		{what: "chmod " + dir + "/segment", object: ObjectFile, hook: "inode_setattr"},
		{what: "xattr " + dir + "/segment", object: ObjectFile, hook: "inode_setxattr"},
		{what: "create " + dir + "/new", object: ObjectFile, hook: "inode_create"},
		{what: "mkdir " + dir + "/dir", object: ObjectFile, hook: "inode_mkdir"},
		{what: "rmdir " + dir + "/dir", object: ObjectFile, hook: "inode_rmdir"},
		{what: "link-file " + dir + "/segment " + dir + "/second", object: ObjectFile, hook: "inode_link"},
		{what: "rename " + dir + "/segment " + dir + "/third", object: ObjectFile, hook: "inode_rename"},
		{what: "unlink " + dir + "/third", object: ObjectFile, hook: "inode_unlink"},
		{what: "connect " + dir + "/socket", object: ObjectSocket, hook: "unix_stream_connect"},
		{what: "mount " + dir, object: ObjectMount, hook: "sb_mount"},
		{what: "umount /sys/fs/bpf", object: ObjectMount, hook: "sb_umount"},
		{what: "remount /sys/fs/bpf", object: ObjectMount, hook: "sb_remount"},
		{what: fmt.Sprint("kill ", keeper), object: ObjectProcess, hook: "task_kill"},
		{what: fmt.Sprint("memory ", keeper), object: ObjectProcess, hook: "ptrace_access_check"},
		{what: "unlink " + pin, object: ObjectFile, hook: "inode_unlink"},
		{what: "rename " + filepath.Dir(pin) + " " + pins + "/x", object: ObjectFile, hook: "inode_rename"},
		{what: "rename " + filepath.Dir(dir) + " " + filepath.Dir(dir) + "2", object: ObjectFile, hook: "inode_rename"},
	} {
		t.Run(a.what, func(t *testing.T) {
			gr := newGroup(t, cgroupRoot) // records are bounded by cgroup
			drain(t, g)
			want := a.end
			if want == "" {
				want = "EACCES"
			}
			if end := visitFrom(t, gr, unix.CLONE_NEWNS, "%s", a.what); end != want && !(want == "EACCES" && end == "EPERM") {
				t.Errorf("from another container: %s, want %s", end, want)
			}
			touched(t, drain(t, g), a.object, a.hook, Deny, WhyNone)
			if strings.HasPrefix(a.what, "umount") || a.object == ObjectMount {
				return // the guest itself lives on
			}
			if a.admin == "" {
				a.admin = "ok"
			}
			if end := visitFrom(t, gr, 0, "%s", a.what); end != a.admin {
				t.Errorf("from the host: %s, want %s", end, a.admin)
			}
			touched(t, drain(t, g), a.object, a.hook, Allow, WhyHost)
		})
	}
	// What is not ours is nobody's business.
	other, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	free := filepath.Join(t.TempDir(), "free")
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "create %s", free); end != "ok" {
		t.Errorf("a file of one's own: %s", end)
	}
}

// TestTakeover: while no agent is alive another container may take over if it is
// an administrator, and that is recorded; as soon as one is there again it may not.
func TestTakeover(t *testing.T) {
	g, dir, _ := protected(t)
	o, err := g.Objects()
	if err != nil {
		t.Fatal(err)
	}
	gr := newGroup(t, cgroupRoot)
	info, err := g.coll.Programs[safeclawProgFindGuarded].Info()
	if err != nil {
		t.Fatal(err)
	}
	id, _ := info.ID()
	if err := g.set(safeclawVarGuardDirFd, uint32(0)); err != nil {
		t.Fatal(err)
	}
	agent := exec.Command("/proc/self/exe")
	agent.Env = []string{childEnv + "=" + visitor, fmt.Sprintf("SAFECLAW_TEST_VISIT=agent %d", id)}
	in, err := agent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	if b := make([]byte, 6); true {
		if _, err := io.ReadFull(out, b); err != nil || string(b) != "agent\n" {
			rest, _ := io.ReadAll(out)
			t.Fatalf("the other agent says %q%s: %v", b, rest, err)
		}
	}
	drain(t, g)
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "kill %d", agent.Process.Pid); end != "EACCES" {
		t.Errorf("a signal to the new agent: %s", end)
	}
	touched(t, drain(t, g), ObjectProcess, "task_kill", Deny, WhyNone)
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "map %d", o.Maps[0]); end != "EACCES" {
		t.Errorf("a map while an agent lives: %s", end)
	}
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := agent.Wait(); err == nil {
		t.Error("the agent was killed and ended well")
	}
	in.Close()
	drain(t, g)
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "map %d", o.Maps[0]); end != "ok" {
		t.Errorf("a map while no agent lives: %s", end)
	}
	touched(t, drain(t, g), ObjectMap, "bpf_map", Allow, WhyTakeover)
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "drop-admin write %s/segment", dir); end != "EACCES" {
		t.Errorf("the log, by no administrator, while no agent lives: %s", end)
	}
	touched(t, drain(t, g), ObjectFile, "file_open", Deny, WhyNone)
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "write %s/segment", dir); end != "ok" {
		t.Errorf("the log, by an administrator, while no agent lives: %s", end)
	}
	touched(t, drain(t, g), ObjectFile, "file_open", Allow, WhyTakeover)

	// Back again.
	if err := g.Protect(Protection{Dirs: []string{dir}}); err != nil {
		t.Fatal(err)
	}
	drain(t, g)
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "map %d", o.Maps[0]); end != "EACCES" {
		t.Errorf("a map once an agent is there again: %s", end)
	}
	touched(t, drain(t, g), ObjectMap, "bpf_map", Deny, WhyNone)
}

// TestTouchRate: what one cgroup can put into the ring is bounded, and what is not
// recorded is counted.
func TestTouchRate(t *testing.T) {
	g, dir, _ := protected(t)
	gr := newGroup(t, cgroupRoot)
	before := total(t, g)
	const touches = 500
	if end := visitFrom(t, gr, unix.CLONE_NEWNS, "flood %d %s/segment", touches, dir); end != "EACCES" {
		t.Fatalf("flood: %s", end)
	}
	recorded, held := uint64(0), uint64(0)
	for _, e := range drain(t, g) {
		if e.Touch != nil && e.Hook == "file_open" {
			recorded++
			held += e.Touch.Held
		}
	}
	after := total(t, g)
	if recorded == 0 || recorded > touches/2 {
		t.Errorf("%d of %d touches are recorded one by one", recorded, touches)
	}
	counted := after.GuardHeld - before.GuardHeld
	if recorded+counted != touches {
		t.Errorf("%d recorded and %d counted, of %d", recorded, counted, touches)
	}
	if held > counted {
		t.Errorf("records say that %d were held back, of %d", held, counted)
	}
}

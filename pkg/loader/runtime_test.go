package loader

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// starter is the value of childEnv that makes this binary starterMain.
const starter = "starter"

// start is how a container's runtime brings its program to run.
type start struct {
	name   string
	joins  bool   // enters the cgroup itself; else it is born there
	forks  int    // generations between the first process and the program's
	root   string // pivot, move or chroot
	thread bool   // the last exec is by a thread that is not the first one
}

// starterMain behaves like a runtime of containers: on the host's root, in the
// container's cgroup, it reads files of the host and runs a hook; then it takes
// the container's root and executes /self there. What it may not do ends it.
func starterMain() int {
	env := func(name string) string { return os.Getenv("START_" + name) }
	step := func(what string, err error) {
		if err != nil {
			fmt.Fprintf(os.Stderr, "starter: %s: %v\n", what, err)
			os.Exit(3)
		}
	}
	if dir := env("JOIN"); dir != "" {
		step("join", os.WriteFile(dir+"/cgroup.procs", strconv.AppendInt(nil, int64(os.Getpid()), 10), 0))
		step("joined", os.Unsetenv("START_JOIN"))
	}
	step("read a file of the host", openClose(unix.AT_FDCWD, env("HOST"), unix.O_RDONLY))
	out, err := exec.Command(busybox, "cat", env("HOST")).CombinedOutput()
	step("hook: "+string(out), err)
	if n, err := strconv.Atoi(env("FORKS")); err == nil && n > 0 {
		step("count", os.Setenv("START_FORKS", strconv.Itoa(n-1)))
		cmd := exec.Command("/proc/self/exe")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		step("fork", cmd.Run())
		return 0
	}
	last := func() {
		runtime.LockOSThread()
		step("root", takeRoot(env("ROOT"), env("DIR")))
		step("read a file before the exec", openClose(unix.AT_FDCWD, "/f", unix.O_RDONLY))
		step("exec", syscall.Exec("/self", []string{"/self"}, []string{childEnv + "=1"}))
	}
	if env("THREAD") == "" {
		last()
	}
	runtime.LockOSThread() // the first thread stays here
	go last()
	select {}
}

// takeRoot makes a directory the root of a new mount namespace, as runtimes do.
func takeRoot(how, dir string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	switch how {
	case "pivot":
		if err := unix.PivotRoot(".", "."); err != nil {
			return err
		}
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return err
		}
	case "move":
		if err := unix.Mount(dir, "/", "", unix.MS_MOVE, ""); err != nil {
			return err
		}
		if err := unix.Chroot("."); err != nil {
			return err
		}
	case "chroot":
		if err := unix.Chroot("."); err != nil {
			return err
		}
	default:
		return errors.New("unknown way: " + how)
	}
	return unix.Chdir("/")
}

// TestStartSequences: whatever a runtime does before it executes the container's
// program is free, and whatever that program does is gated from its first
// instruction on.
func TestStartSequences(t *testing.T) {
	g := sharedGate(t)
	host := file(t, t.TempDir(), "host")
	n, tb := install(t, g, only("/nothing"))
	root := t.TempDir()
	b, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "self"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	file(t, root, "f")
	for _, s := range []start{
		{name: "runc", joins: true, forks: 2, root: "pivot", thread: true},
		{name: "crun", root: "pivot"},
		{name: "no pivot", joins: true, forks: 1, root: "move"},
		{name: "born in the cgroup, double fork", forks: 2, root: "pivot"},
		{name: "chroot", root: "chroot", thread: true},
	} {
		t.Run(s.name, func(t *testing.T) {
			gr, free := newGroup(t, cgroupRoot), newGroup(t, cgroupRoot)
			bind(t, g, gr, BindContainer, n)
			born := gr
			env := []string{childEnv + "=" + starter, "START_HOST=" + host, "START_ROOT=" + s.root, "START_DIR=" + root, "START_FORKS=" + strconv.Itoa(s.forks)}
			if s.joins {
				born = free
				env = append(env, "START_JOIN="+gr.dir)
			}
			if s.thread {
				env = append(env, "START_THREAD=1")
			}
			drain(t, g)
			c := startChild(t, born, func(cmd *exec.Cmd) { cmd.Env = env })
			c.want("EACCES", "open /f")
			c.want("EACCES", "fork /f")
			opened := "/f"
			if s.root == "chroot" {
				opened = root + "/f"
			}
			var denied int
			for _, e := range drain(t, g) {
				switch {
				case e.Verdict == Deny && string(e.Subject) == opened && !e.Late && e.Cgroup == gr.id:
					denied++
				case e.Verdict == Deny && strings.HasPrefix(string(e.Subject), host):
					t.Errorf("the runtime was gated: %+v, rule %s", *e, tb.Rules[e.Rule].Name)
				}
			}
			if denied != 2 {
				t.Errorf("%d denials of %s, want 2", denied, opened)
			}
			if tids, err := g.ArmExisting(); err != nil || len(tids) != 0 {
				t.Errorf("the runtime's waiting processes were armed: %v, %v", tids, err)
			}
		})
	}
}

// TestFirstAct: a program whose first instruction is the forbidden act never
// gets through, however often it is started.
func TestFirstAct(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, _ := install(t, g, only("/nothing"))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	dir, err := os.Open(gr.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	starts := 100
	if long() {
		starts = 1000
	}
	for i := range starts {
		cmd := exec.Command(busybox, "cat", f)
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
		out, err := cmd.CombinedOutput()
		var failed *exec.ExitError
		if !errors.As(err, &failed) || strings.Contains(string(out), "\nf") || !strings.Contains(string(out), "Permission denied") {
			t.Fatalf("start %d: %v, %s", i, err, out)
		}
	}
}

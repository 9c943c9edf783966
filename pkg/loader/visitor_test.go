package loader

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// visitor is what a process of another container tries: this test binary in a
// mount namespace of its own, with all capabilities and ungated.
const visitor = "visitor"

// visits are what it can be told, and how it says what came of it.
func visit(words []string) error {
	id := func() uint64 {
		n, err := strconv.ParseUint(words[1], 10, 32)
		if err != nil {
			panic(err)
		}
		return n
	}
	switch words[0] {
	case "map":
		m, err := ebpf.NewMapFromID(ebpf.MapID(id()))
		if err == nil {
			m.Close()
		}
		return err
	case "pinned":
		m, err := ebpf.LoadPinnedMap(words[1], nil)
		if err == nil {
			m.Close()
		}
		return err
	case "program":
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id()))
		if err == nil {
			p.Close()
		}
		return err
	case "link":
		l, err := link.NewFromID(link.ID(id()))
		if err == nil {
			l.Close()
		}
		return err
	case "agent":
		return becomeAgent(id())
	case "drop-admin":
		if err := dropAdmin(); err != nil {
			return err
		}
		return visit(words[1:])
	case "kill":
		return unix.Kill(int(id()), unix.SIGCONT)
	case "trace":
		if err := unix.PtraceSeize(int(id())); err != nil {
			return err
		}
		return unix.PtraceDetach(int(id()))
	case "memory":
		return opened(os.Open(fmt.Sprintf("/proc/%d/mem", id())))
	case "limit":
		return unix.Prlimit(int(id()), unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1 << 16, Max: 1 << 16}, nil)
	case "nice":
		return unix.Setpriority(unix.PRIO_PROCESS, int(id()), 0)
	case "affinity":
		var set unix.CPUSet
		set.Set(0)
		return unix.SchedSetaffinity(int(id()), &set)
	case "write":
		return opened(os.OpenFile(words[1], os.O_WRONLY, 0))
	case "flood":
		for range id() - 1 {
			if err := opened(os.OpenFile(words[2], os.O_WRONLY, 0)); err == nil {
				return errors.New("it was opened")
			}
		}
		return opened(os.OpenFile(words[2], os.O_WRONLY, 0))
	case "read":
		return opened(os.Open(words[1]))
	case "create":
		return opened(os.OpenFile(words[1], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600))
	case "truncate":
		return unix.Truncate(words[1], 1)
	case "unlink":
		return unix.Unlink(words[1])
	case "rmdir":
		return unix.Rmdir(words[1])
	case "mkdir":
		return unix.Mkdir(words[1], 0o755)
	case "rename":
		return unix.Rename(words[1], words[2])
	case "link-file":
		return unix.Link(words[1], words[2])
	case "chmod":
		return unix.Chmod(words[1], 0o644)
	case "xattr":
		return unix.Setxattr(words[1], "trusted.x", []byte("1"), 0)
	case "mount":
		return unix.Mount("none", words[1], "tmpfs", 0, "")
	case "remount":
		return unix.Mount("none", words[1], "", unix.MS_REMOUNT, "")
	case "umount":
		return unix.Unmount(words[1], unix.MNT_DETACH)
	case "connect":
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: words[1]})
	}
	return fmt.Errorf("visitor: unknown word %q", words[0])
}

// becomeAgent has the program with the number id make this process the agent, then
// waits for its end.
func becomeAgent(id uint64) error {
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		return err
	}
	defer p.Close()
	if b, err := runIterator(p); err != nil || len(b) == 0 {
		return fmt.Errorf("find itself: %d bytes, %w", len(b), err)
	}
	fmt.Println("agent")
	_, err = os.Stdin.Read(make([]byte, 1))
	return err
}

// dropAdmin gives CAP_SYS_ADMIN up, in this thread.
func dropAdmin() error {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return err
	}
	d[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
	d[0].Permitted &^= 1 << unix.CAP_SYS_ADMIN
	return unix.Capset(&h, &d[0])
}

func opened(f *os.File, err error) error {
	if err == nil {
		f.Close()
	}
	return err
}

// visitorMain tries one thing and says how it ended.
func visitorMain() int {
	runtime.LockOSThread()
	err := visit(strings.Fields(os.Getenv("SAFECLAW_TEST_VISIT")))
	var no syscall.Errno
	switch {
	case err == nil:
		fmt.Print("ok")
	case errors.As(err, &no):
		fmt.Print(unix.ErrnoName(no))
	default:
		fmt.Print(err)
	}
	return 0
}

// visitFrom tries something in a process of its own with more clone flags, in a cgroup.
func visitFrom(t *testing.T, gr group, flags uintptr, format string, args ...any) string {
	t.Helper()
	dir, err := os.Open(gr.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{childEnv + "=" + visitor, "SAFECLAW_TEST_VISIT=" + fmt.Sprintf(format, args...)}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd()), Cloneflags: flags}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("visitor: %v: %s", err, out)
	}
	return string(out)
}

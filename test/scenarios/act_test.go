package scenarios

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// actName is the name under which this test binary runs in a scenario's
// container: then it performs steps instead of tests. See act.
const actName = "act"

// act performs steps and prints one line for each: its number and how it ended.
func act(steps []string) int {
	runtime.LockOSThread()
	for i, s := range steps {
		fmt.Printf("STEP %d %s\n", i, outcome(step(strings.Fields(s))))
	}
	return 0
}

// outcome names an error as scenarios write it.
func outcome(err error) string {
	var no syscall.Errno
	var ne net.Error
	var ended endError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &ended):
		return ended.Error()
	case errors.As(err, &no):
		return unix.ErrnoName(no)
	case errors.As(err, &ne) && ne.Timeout():
		return "ETIMEDOUT"
	}
	return "error: " + err.Error()
}

// step performs one action. What prepares an action and fails is reported as
// an error that is no errno, so that it is never taken for a denial.
func step(w []string) error {
	arg := func(i int) string {
		if i < len(w) {
			return w[i]
		}
		return ""
	}
	open := func(flags int) error {
		fd, err := unix.Open(arg(1), flags|unix.O_CLOEXEC, 0o644)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	switch w[0] {
	case "read", "list":
		return open(unix.O_RDONLY)
	case "write":
		return open(unix.O_WRONLY)
	case "create": // as Go's os.Create opens
		return open(unix.O_RDWR | unix.O_CREAT | unix.O_TRUNC)
	case "append":
		return open(unix.O_WRONLY | unix.O_APPEND)
	case "readwrite":
		return open(unix.O_RDWR)
	case "ioctl-mode":
		return open(3)
	case "exec":
		return run(w[1:])
	case "exec-memfd":
		return execMemfd()
	case "map":
		return mapExec(arg(1), false)
	case "mprotect":
		return mapExec(arg(1), true)
	case "map-memfd":
		return mapMemfd()
	case "connect":
		return connect("tcp", arg(1))
	case "connect-udp":
		return connect("udp", arg(1))
	case "connect-unix":
		return connect("unix", arg(1))
	case "reopen": // O_PATH meets no hook; the second open does
		return reopen(arg(1))
	case "fork": // a child performs the rest
		return inChild(strings.Join(w[1:], " "))
	case "symlink":
		return prepare(os.Symlink(arg(1), arg(2)))
	case "copy":
		return prepare(copyFile(arg(1), arg(2)))
	}
	return fmt.Errorf("unknown step %q", w[0])
}

// prepare hides an errno: preparing must not pass for the action under test.
func prepare(err error) error {
	if err != nil {
		return errors.New("prepare: " + err.Error())
	}
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

func run(argv []string) error {
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
	if err != nil {
		return err
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return prepare(err)
	}
	if ws.Signaled() || ws.ExitStatus() != 0 {
		return endError(ws)
	}
	return nil
}

// endError is how a program ended that did not end well: killed by a signal,
// which is its name, or with a status, "exit-1".
type endError syscall.WaitStatus

func (e endError) Error() string {
	ws := syscall.WaitStatus(e)
	if ws.Signaled() {
		return unix.SignalName(ws.Signal())
	}
	return fmt.Sprintf("exit-%d", ws.ExitStatus())
}

// inChild opens a path for reading in a forked child. Between fork and exit the
// child makes raw system calls only: of a forked Go program one thread is left.
func inChild(s string) error {
	path, n := bytePtr(strings.TrimPrefix(s, "read ")), [1]byte{}
	r, w, err := os.Pipe()
	if err != nil {
		return prepare(err)
	}
	defer r.Close()
	out := w.Fd()
	cwd := unix.AT_FDCWD
	pid, _, no := syscall.RawSyscall(syscall.SYS_FORK, 0, 0, 0)
	if no == 0 && pid == 0 {
		_, _, no = syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(cwd), uintptr(unsafe.Pointer(path)), unix.O_RDONLY, 0, 0, 0)
		n[0] = byte(no)
		syscall.RawSyscall(unix.SYS_WRITE, out, uintptr(unsafe.Pointer(&n[0])), 1)
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	w.Close()
	if no != 0 {
		return prepare(no)
	}
	if _, err := r.Read(n[:]); err != nil {
		return prepare(err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(int(pid), &ws, 0, nil); err != nil {
		return prepare(err)
	}
	if n[0] != 0 {
		return syscall.Errno(n[0])
	}
	return nil
}

func reopen(path string) error {
	fd, err := unix.Open(path, unix.O_PATH, 0)
	if err != nil {
		return prepare(err)
	}
	defer unix.Close(fd)
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY, 0)
	if err == nil {
		unix.Close(again)
	}
	return err
}

func mapExec(path string, later bool) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return prepare(err)
	}
	defer unix.Close(fd)
	return mapFd(fd, later)
}

func mapFd(fd int, later bool) error {
	prot := unix.PROT_READ | unix.PROT_EXEC
	if later {
		prot = unix.PROT_READ
	}
	b, err := unix.Mmap(fd, 0, 4096, prot, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	defer unix.Munmap(b)
	if later {
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	}
	return nil
}

func memfd() (int, error) {
	fd, err := unix.MemfdCreate("/../etc/allowed", 0)
	if err != nil {
		return -1, prepare(err)
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return -1, prepare(err)
	}
	if _, err := unix.Write(fd, self); err != nil {
		return -1, prepare(err)
	}
	return fd, nil
}

func mapMemfd() error {
	fd, err := memfd()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return mapFd(fd, false)
}

// execMemfd tries execveat(AT_EMPTY_PATH) in place: where it succeeds the new
// program prints its own end.
func execMemfd() error {
	fd, err := memfd()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	argv := []*byte{bytePtr(actName), nil}
	envp := []*byte{nil}
	empty := bytePtr("")
	_, _, no := syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(empty)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])), unix.AT_EMPTY_PATH, 0)
	return no
}

func bytePtr(s string) *byte {
	b := append([]byte(s), 0)
	return &b[0]
}

func connect(network, address string) error {
	c, err := net.Dial(network, address)
	if err == nil {
		c.Close()
	}
	return err
}

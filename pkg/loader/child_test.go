package loader

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childMain does each line of its input and answers with one line. What needs
// no permission of a policy (pipes, O_PATH) is all it uses for itself.
func childMain(in io.Reader, out io.Writer) int {
	h := &hammer{}
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if _, err := fmt.Fprintln(out, h.do(strings.Fields(sc.Text()))); err != nil {
			return 1
		}
	}
	return 0
}

func end(err error) string {
	var no syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &no):
		return unix.ErrnoName(no)
	}
	return "error: " + err.Error()
}

func (h *hammer) do(w []string) string {
	arg := func(i int) string {
		if i < len(w) {
			return w[i]
		}
		return ""
	}
	num := func(i int) int {
		n, err := strconv.Atoi(arg(i))
		if err != nil {
			return 0
		}
		return n
	}
	fd := func(n int, err error) string {
		if err != nil {
			return end(err)
		}
		return strconv.Itoa(n)
	}
	switch w[0] {
	case "hello":
		return "ready"
	case "open": // PATH [FLAGS]
		return end(openClose(unix.AT_FDCWD, arg(1), num(2)))
	case "at": // FD NAME [FLAGS]
		return end(openClose(num(1), arg(2), num(3)))
	case "hold": // PATH [FLAGS]: keeps it open
		return fd(unix.Open(arg(1), num(2)|unix.O_CLOEXEC, 0))
	case "write": // FD TEXT
		_, err := unix.Write(num(1), []byte(arg(2)))
		return end(err)
	case "unshare": // FLAGS PATH: opens it with namespaces of its own
		return apart(num(1), func() error { return openClose(unix.AT_FDCWD, arg(2), unix.O_RDONLY) })
	case "setns": // PID PATH: opens it in the mount namespace of a process
		return enter(num(1), arg(2))
	case "kill": // PID SIGNAL
		return end(unix.Kill(num(1), syscall.Signal(num(2))))
	case "socket":
		return fd(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
	case "connect-by": // FD PORT
		return end(unix.Connect(num(1), &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: num(2)}))
	case "resolve", "route", "dial", "send", "send-on", "fastopen", "burst", "connected":
		return h.netAct(w)
	case "path": // PATH: keeps it open, O_PATH
		return fd(unix.Open(arg(1), unix.O_PATH|unix.O_CLOEXEC, 0))
	case "tree": // PATH: a detached copy of the mount there
		return fd(unix.OpenTree(unix.AT_FDCWD, arg(1), unix.OPEN_TREE_CLONE|unix.O_CLOEXEC))
	case "read": // FD
		_, err := unix.Pread(num(1), make([]byte, 1), 0)
		return end(err)
	case "mount": // DIR: a tmpfs there
		return end(unix.Mount("tmpfs", arg(1), "tmpfs", 0, ""))
	case "trace": // PID: reads its memory
		return end(openClose(unix.AT_FDCWD, "/proc/"+arg(1)+"/mem", unix.O_RDONLY))
	case "chdir":
		return end(unix.Chdir(arg(1)))
	case "many": // N PATH [FLAGS]
		var t tally
		for range num(1) {
			t.count(openClose(unix.AT_FDCWD, arg(2), num(3)))
		}
		return t.String()
	case "canary": // DIRECTORY: see canary_test.go
		return h.canary.start(arg(1))
	case "canary-stop":
		return h.canary.stop()
	case "hammer": // PATH [FLAGS]: opens it until told to stop
		h.start(unix.AT_FDCWD, arg(1), num(2))
		return "ok"
	case "hammer-at": // FD NAME
		h.start(num(1), arg(2), unix.O_RDONLY)
		return "ok"
	case "stop":
		return h.stop()
	case "threads": // N more of them
		up := make(chan bool)
		for range num(1) {
			go func() {
				runtime.LockOSThread()
				up <- true
				select {}
			}()
		}
		for range num(1) {
			<-up
		}
		return "ok"
	case "exec":
		return end(execWait(w[1:]))
	case "environ": // PATH A=VAR,VAR... [ARG,ARG...]: PATH, a busybox, does nothing
		return end(execIn(strings.Split(strings.TrimPrefix(arg(2), "A="), ","), arg(1), append([]string{"busybox", "true"}, strings.Split(arg(3), ",")...)))
	case "noargs", "huge", "memfd", "race":
		return execOddly(w[0], arg(1), num(2))
	case "fork": // PATH: a child of the child opens it
		return end(forkOpen(arg(1)))
	case "chain": // PROGRESS PATH
		return forkChain(arg(1), arg(2))
	case "forks": // N PATH
		var t tally
		for range num(1) {
			t.count(forkOpen(arg(2)))
		}
		return t.String()
	case "symlink":
		return end(unix.Symlink(arg(1), arg(2)))
	case "link":
		return end(unix.Link(arg(1), arg(2)))
	case "rename":
		return end(unix.Rename(arg(1), arg(2)))
	case "exchange":
		return end(unix.Renameat2(unix.AT_FDCWD, arg(1), unix.AT_FDCWD, arg(2), unix.RENAME_EXCHANGE))
	case "mkdir":
		return end(unix.Mkdir(arg(1), 0o755))
	case "rmdir":
		return end(unix.Rmdir(arg(1)))
	case "unlink":
		return end(unix.Unlink(arg(1)))
	case "mkfifo":
		return end(unix.Mkfifo(arg(1), 0o644))
	case "truncate":
		return end(unix.Truncate(arg(1), 1))
	case "chmod":
		return end(unix.Chmod(arg(1), 0o600))
	case "chown":
		return end(unix.Chown(arg(1), 1, 1))
	case "chown-none":
		return end(unix.Chown(arg(1), -1, -1))
	case "utimes":
		return end(unix.UtimesNanoAt(unix.AT_FDCWD, arg(1), []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0))
	case "setxattr":
		return end(unix.Setxattr(arg(1), "trusted.x", []byte("1"), 0))
	case "removexattr":
		return end(unix.Removexattr(arg(1), "trusted.x"))
	case "connect":
		c, err := net.Dial("tcp", arg(1))
		if err == nil {
			c.Close()
		}
		return end(err)
	}
	return "error: unknown"
}

func openClose(dir int, path string, flags int) error {
	fd, err := unix.Openat(dir, path, flags|unix.O_CLOEXEC, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// tally counts opens that succeeded and those refused with EACCES.
type tally struct{ ok, denied, other atomic.Int64 }

func (t *tally) count(err error) {
	switch {
	case err == nil:
		t.ok.Add(1)
	case errors.Is(err, unix.EACCES):
		t.denied.Add(1)
	default:
		t.other.Add(1)
	}
}

func (t *tally) String() string {
	if n := t.other.Load(); n > 0 {
		return fmt.Sprintf("error: %d opens failed otherwise", n)
	}
	return fmt.Sprintf("ok %d denied %d", t.ok.Load(), t.denied.Load())
}

// hammer opens files in threads of its own until it is told to stop.
type hammer struct {
	quit   chan struct{}
	wg     sync.WaitGroup
	t      *tally
	canary canary
}

func (h *hammer) start(dir int, path string, flags int) {
	if h.quit == nil {
		h.quit, h.t = make(chan struct{}), &tally{}
	}
	quit, t := h.quit, h.t
	h.wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
				t.count(openClose(dir, path, flags))
			}
		}
	})
}

func (h *hammer) stop() string {
	close(h.quit)
	h.wg.Wait()
	h.quit = nil
	return h.t.String()
}

func execWait(argv []string) error { return execAs(argv[0], argv) }

func execAs(path string, argv []string) error { return execIn(nil, path, argv) }

func execIn(env []string, path string, argv []string) error {
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: env, Files: []uintptr{0, 2, 2}})
	if err != nil {
		return err
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return err
	}
	if ws.Signaled() {
		return errors.New(unix.SignalName(ws.Signal()))
	}
	if ws.ExitStatus() != 0 {
		return fmt.Errorf("%s ended with %d", path, ws.ExitStatus())
	}
	return nil
}

// forkOpen opens a path for reading in a forked process, which makes raw
// system calls only: of a forked Go program one thread is left.
func forkOpen(name string) error {
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	cwd := unix.AT_FDCWD
	syscall.ForkLock.Lock()
	pid, _, no := syscall.RawSyscall(unix.SYS_FORK, 0, 0, 0)
	if no == 0 && pid == 0 {
		_, _, no = syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(cwd), uintptr(unsafe.Pointer(path)), unix.O_RDONLY, 0, 0, 0)
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(no), 0, 0)
	}
	syscall.ForkLock.Unlock()
	if no != 0 {
		return errors.New("fork: " + no.Error()) // no errno: that would look like a denial
	}
	var ws syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(int(pid), &ws, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return errors.New("wait: " + err.Error())
	}
	if ws.ExitStatus() != 0 {
		return syscall.Errno(ws.ExitStatus())
	}
	return nil
}

package loader

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// racer is the value of childEnv that makes this binary raceMain.
const racer = "race"

// execOddly executes programs in ways that a shell does not.
func execOddly(how, path string, n int) string {
	switch how {
	case "noargs": // not even its own name
		return end(execAs(path, nil))
	case "huge": // an argument of n bytes
		return end(execAs(path, []string{path, "echo", strings.Repeat("x", n)}))
	case "memfd":
		return end(execCopy(path))
	case "race":
		return execRace(path, n)
	}
	return "error: unknown"
}

// execCopy executes a copy of a program in memory.
func execCopy(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return errors.New("prepare: " + err.Error())
	}
	fd, err := unix.MemfdCreate("busybox", unix.MFD_CLOEXEC)
	if err != nil {
		return errors.New("prepare: " + err.Error())
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, b); err != nil {
		return errors.New("prepare: " + err.Error())
	}
	return execAs(fmt.Sprintf("/proc/self/fd/%d", fd), []string{"busybox", "echo", "good"})
}

// execRace starts n racers at a program and says what came of them.
func execRace(path string, n int) string {
	said := map[string]int{}
	for range n {
		r, w, err := os.Pipe()
		if err != nil {
			return end(err)
		}
		pid, err := syscall.ForkExec("/proc/self/exe", []string{racer, path},
			&syscall.ProcAttr{Env: []string{childEnv + "=" + racer}, Files: []uintptr{0, w.Fd(), 2}})
		w.Close()
		if err != nil {
			return end(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return end(err)
		}
		var ws syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
			return end(err)
		}
		switch {
		case ws.Signaled() && len(b) == 0:
			said[unix.SignalName(ws.Signal())]++
		default:
			said[strings.TrimSpace(string(b))]++
		}
	}
	return fmt.Sprintf("good %d evil %d killed %d other %d", said["good"], said["evil"], said["SIGKILL"],
		n-said["good"]-said["evil"]-said["SIGKILL"])
}

// raceMain executes its argument with arguments that another thread rewrites
// meanwhile: between good and evil, always whole words.
func raceMain() int {
	words := [2]uint32{}
	good, evil := *(*uint32)(unsafe.Pointer(unsafe.StringData("good"))), *(*uint32)(unsafe.Pointer(unsafe.StringData("evil")))
	words[0] = good
	argv := []*byte{ptr("busybox"), ptr("echo"), (*byte)(unsafe.Pointer(&words[0])), nil}
	path, envp := ptr(os.Args[1]), []*byte{nil}
	var turns atomic.Int64
	go func() {
		runtime.LockOSThread()
		for {
			for range 1000 {
				atomic.StoreUint32(&words[0], evil)
			}
			for range 1000 {
				atomic.StoreUint32(&words[0], good)
			}
			turns.Add(1)
		}
	}()
	runtime.LockOSThread()
	for start := turns.Load(); turns.Load() < start+10; {
		runtime.Gosched()
	}
	_, _, no := syscall.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])))
	fmt.Println(unix.ErrnoName(no))
	runtime.KeepAlive(&words)
	return 1
}

func ptr(s string) *byte {
	b := append([]byte(s), 0)
	return &b[0]
}

package loader

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// chainAfter is how many generations of a chain still come when one was denied.
const chainAfter = 200

// forkChain is a process that forks and ends, over and over: each generation
// opens the path and writes what came of it into its byte of the file progress.
// It ends chainAfter generations after the first denial, and after as many as
// progress has bytes at the latest. Raw system calls only: of a forked Go
// program one thread is left. All have this process as their parent.
func forkChain(progress, name string) string {
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return end(err)
	}
	said, err := mapShared(progress)
	if err != nil {
		return end(err)
	}
	defer unix.Munmap(said)
	cwd := unix.AT_FDCWD
	syscall.ForkLock.Lock()
	pid, _, no := syscall.RawSyscall(unix.SYS_FORK, 0, 0, 0)
	if no == 0 && pid == 0 {
		denied := 0
		for i := range said {
			fd, _, no := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(cwd), uintptr(unsafe.Pointer(path)), unix.O_RDONLY, 0, 0, 0)
			if no == 0 {
				syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
				said[i] = 1
			} else {
				said[i] = byte(1 + no)
				denied++
			}
			if denied > chainAfter {
				break
			}
			pid, _, no := syscall.RawSyscall6(unix.SYS_CLONE, unix.CLONE_PARENT|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
			if no != 0 || pid != 0 {
				break
			}
		}
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	syscall.ForkLock.Unlock()
	if no != 0 {
		return end(no)
	}
	for !errors.Is(err, unix.ECHILD) {
		_, err = syscall.Wait4(-1, nil, 0, nil)
	}
	var ok, denied, back, other int
	for _, b := range said {
		switch {
		case b == 0:
			return fmt.Sprintf("ok %d denied %d back %d other %d", ok, denied, back, other)
		case b == 1 && denied > 0:
			back++
		case b == 1:
			ok++
		case b == byte(1+unix.EACCES):
			denied++
		default:
			other++
		}
	}
	return fmt.Sprintf("ok %d denied %d back %d other %d", ok, denied, back, other)
}

// mapShared maps a file, for a chain and for who watches it.
func mapShared(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// TestArmForkChain: a task that is never the same for long does not run away
// from the iterator, and what it forks while it is armed is armed.
func TestArmForkChain(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	rounds := 5
	if long() {
		rounds = 60
	}
	for range rounds {
		n, _ := install(t, g, only("/nothing"))
		gr := newGroup(t, cgroupRoot)
		c := startChild(t, gr)
		answer := make(chan string)
		progress := filepath.Join(t.TempDir(), "progress")
		if err := os.WriteFile(progress, make([]byte, 1<<16), 0o600); err != nil {
			t.Fatal(err)
		}
		said, err := mapShared(progress)
		if err != nil {
			t.Fatal(err)
		}
		go func() { answer <- c.ask("chain %s %s", progress, f) }()
		for !bytes.HasPrefix(said, bytes.Repeat([]byte{1}, 20)) { // it runs
			select {
			case s := <-answer:
				t.Fatal(s)
			case <-time.After(time.Millisecond):
			}
		}
		if err := unix.Munmap(said); err != nil {
			t.Fatal(err)
		}
		bind(t, g, gr, BindAny, n)
		if _, err := g.ArmExisting(); err != nil {
			t.Fatal(err)
		}
		var ok, denied, back, other int
		if s := <-answer; !scan(s, "ok %d denied %d back %d other %d", &ok, &denied, &back, &other) || ok < 20 || denied == 0 || back != 0 || other != 0 {
			t.Fatal(s)
		}
		t.Logf("%d generations before, %d after", ok, denied)
		drain(t, g)
	}
}

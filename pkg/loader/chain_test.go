package loader

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forkChain is a process that forks and ends, n times over: each generation
// opens the path. Raw system calls only: of a forked Go program one thread is
// left. All have this process as their parent, which says what came of them.
func forkChain(n int, name string) string {
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return end(err)
	}
	said, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return end(err)
	}
	defer unix.Munmap(said)
	cwd := unix.AT_FDCWD
	syscall.ForkLock.Lock()
	pid, _, no := syscall.RawSyscall(unix.SYS_FORK, 0, 0, 0)
	if no == 0 && pid == 0 {
		for i := range n {
			fd, _, no := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(cwd), uintptr(unsafe.Pointer(path)), unix.O_RDONLY, 0, 0, 0)
			if no == 0 {
				syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
				said[i] = 1
			} else {
				said[i] = byte(1 + no)
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

// TestArmForkChain: a task that is never the same for long does not run away
// from the iterator, and what it forks while it is armed is armed.
func TestArmForkChain(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	rounds := 5
	if long() {
		rounds = 60
	}
	var before int
	for range rounds {
		n, _ := install(t, g, only("/nothing"))
		gr := newGroup(t, cgroupRoot)
		c := startChild(t, gr)
		answer := make(chan string)
		go func() { answer <- c.ask("chain 400 %s", f) }()
		for { // it has begun
			b, err := os.ReadFile(gr.dir + "/cgroup.procs")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(string(b), "\n") > 1 {
				break
			}
		}
		bind(t, g, gr, BindAny, n)
		if _, err := g.ArmExisting(); err != nil {
			t.Fatal(err)
		}
		var ok, denied, back, other int
		if s := <-answer; !scan(s, "ok %d denied %d back %d other %d", &ok, &denied, &back, &other) || denied == 0 || back != 0 || other != 0 {
			t.Fatal(s)
		}
		t.Logf("%d generations before, %d after", ok, denied)
		before += ok
		drain(t, g)
	}
	if before == 0 {
		t.Error("no generation was there before its binding: nothing raced")
	}
}

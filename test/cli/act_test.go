package cli

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// actName is the name under which this test binary runs as the gated program.
const actName = "act"

// act does one thing and returns the exit status.
func act(w []string) int {
	switch w[0] {
	case "exit":
		n, err := strconv.Atoi(w[1])
		if err != nil {
			return 99
		}
		return n
	case "touch":
		fd, err := unix.Open(w[1], unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return int(err.(syscall.Errno)) //nolint:errorlint // unix.Open returns no other
		}
		unix.Close(fd)
		return 0
	case "open":
		fd, err := unix.Open(w[1], unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return int(err.(syscall.Errno)) //nolint:errorlint // unix.Open returns no other
		}
		unix.Close(fd)
		return 0
	case "signal":
		n, err := strconv.Atoi(w[1])
		if err != nil {
			return 99
		}
		signal.Reset()
		unix.Kill(os.Getpid(), syscall.Signal(n)) //nolint:errcheck // the status says what came of it
		time.Sleep(time.Minute)
		return 98
	case "trap": // ends with 42 when it is asked to
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println("ready")
		select {
		case <-c:
			return 42
		case <-time.After(time.Minute):
			return 97
		}
	case "much":
		return much()
	case "storm":
		return stormAct(w[1], w[2])
	case "canary": // tries what is denied and what is allowed until a file is there
		return canaryAct(w[1], w[2], w[3])
	case "watch": // prints D when a file is denied from then on, A when it is allowed
		return watchAct(w[1], w[2])
	case "leave": // ends and leaves a process in a session of its own
		fmt.Println("ready")
		spawn(w[1], true)
		return 0
	case "spin": // opens a file for ever, as do its children, and says when that works
		spawn(w[1], false)
		spawn(w[1], true)
		fmt.Println("ready")
		path, text := ptr(w[1]), ptr("LEAK\n")
		spin(path, text)
	}
	return 99
}

// canaryAct says whenever a denied file opens, or an allowed one does not.
func canaryAct(denied, allowed, stop string) int {
	for n := 1; ; n++ {
		if fd, err := unix.Open(denied, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
			fmt.Println("LEAK")
		}
		fd, err := unix.Open(allowed, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			fmt.Println("BROKEN", err)
		}
		unix.Close(fd)
		var st unix.Stat_t
		if unix.Stat(stop, &st) == nil {
			fmt.Println("over after", n)
			return 0
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func watchAct(name, stop string) int {
	for last := ""; ; time.Sleep(2 * time.Millisecond) {
		now := "D"
		if fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
			now = "A"
		}
		if now != last {
			fmt.Print(now)
			last = now
		}
		var st unix.Stat_t
		if unix.Stat(stop, &st) == nil {
			return 0
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func ptr(s string) *byte {
	b := append([]byte(s), 0)
	return &b[0]
}

// spin makes raw system calls only: it also runs in forked children, where of
// a Go program one thread is left.
func spin(path, text *byte) {
	cwd := unix.AT_FDCWD
	for {
		fd, _, no := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(cwd), uintptr(unsafe.Pointer(path)), unix.O_RDONLY, 0, 0, 0)
		if no == 0 {
			syscall.RawSyscall(unix.SYS_WRITE, 1, uintptr(unsafe.Pointer(text)), 5)
			syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
		}
	}
}

// spawn forks a process that spins; in a session of its own no signal of a
// terminal or to a process group reaches it.
func spawn(name string, session bool) {
	path, text := ptr(name), ptr("LEAK\n")
	pid, _, no := syscall.RawSyscall(unix.SYS_FORK, 0, 0, 0)
	if no != 0 {
		panic(no)
	}
	if pid == 0 {
		if session {
			syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0)
		}
		spin(path, text)
	}
}

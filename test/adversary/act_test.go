package adversary

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const actor = "adv"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == actor {
		fmt.Println("END", outcome(act(os.Args[1:])))
		os.Exit(0)
	}
	os.Exit(suite.Main(m))
}

func outcome(err error) string {
	var no syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &no):
		return unix.ErrnoName(no)
	}
	return "error: " + err.Error()
}

// acts are what the actor can do, by name.
var acts = map[string]func([]string) error{
	"read": func(w []string) error {
		fd, err := unix.Open(w[0], unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	},
	"inherited": func(w []string) error { return inherited(w[0]) },
	"inject": func([]string) error {
		c := byte('X')
		if _, _, no := unix.Syscall(unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(unsafe.Pointer(&c))); no != 0 {
			return no
		}
		return nil
	},
}

func act(w []string) error {
	runtime.LockOSThread()
	f := acts[w[0]]
	if f == nil {
		return fmt.Errorf("unknown act %q", w[0])
	}
	return f(w[1:])
}

// inherited looks for a descriptor above the standard ones that holds text.
func inherited(text string) error {
	b := make([]byte, 64)
	for fd := 3; fd < 64; fd++ {
		if n, err := unix.Pread(fd, b, 0); err == nil && strings.HasPrefix(string(b[:n]), text) {
			return nil
		}
	}
	return syscall.EBADF
}

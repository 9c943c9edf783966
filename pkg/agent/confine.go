package agent

import (
	"fmt"
	"math"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keepDescriptors marks every descriptor above standard error close-on-exec,
// also those that this process was given by its parent. A program gets only
// what it is handed by number.
func keepDescriptors() error {
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark descriptors close-on-exec: %w", err)
	}
	return nil
}

// ioctls lists the number of ioctl for each ABI that a kernel may serve.
var ioctls = []struct{ arch, nr uint32 }{
	{unix.AUDIT_ARCH_X86_64, 16}, {unix.AUDIT_ARCH_X86_64, 0x40000000 | 514}, {unix.AUDIT_ARCH_I386, 54},
	{unix.AUDIT_ARCH_AARCH64, 29}, {unix.AUDIT_ARCH_ARM, 54},
}

// withoutTyping runs start on a thread whose children cannot push input into a
// terminal (TIOCSTI, TIOCLINUX), and ends the thread. A program shares the
// terminal of whoever started it: otherwise it could type into their shell.
func withoutTyping(start func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := filterTyping()
		if err == nil {
			err = start()
		}
		done <- err
	}()
	return <-done
}

// filterTyping puts the calling thread under a seccomp filter. It needs
// CAP_SYS_ADMIN, as all of run does, and leaves set-user-id programs alone.
func filterTyping() error {
	const (
		nr, arch, cmd = 0, 4, 24 // offsets in struct seccomp_data: nr, arch, the low half of args[1]
		load          = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal         = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		ret           = unix.BPF_RET | unix.BPF_K
	)
	var f []unix.SockFilter
	op := func(code uint16, k uint32, jt, jf uint8) {
		f = append(f, unix.SockFilter{Code: code, K: k, Jt: jt, Jf: jf})
	}
	for i, c := range ioctls {
		rest := uint8(4*(len(ioctls)-1-i) + 1) // to the first instruction behind the loop's
		op(load, arch, 0, 0)
		op(equal, c.arch, 0, 2)
		op(load, nr, 0, 0)
		op(equal, c.nr, rest, 0)
	}
	op(ret, unix.SECCOMP_RET_ALLOW, 0, 0)
	op(load, cmd, 0, 0)
	op(equal, unix.TIOCSTI, 1, 0)
	op(equal, unix.TIOCLINUX, 0, 1)
	op(ret, unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM), 0, 0)
	op(ret, unix.SECCOMP_RET_ALLOW, 0, 0)
	prog := unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
	if _, _, no := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog))); no != 0 {
		return fmt.Errorf("filter terminal input: %w", no)
	}
	return nil
}

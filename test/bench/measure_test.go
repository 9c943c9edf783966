package bench

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// measureName is the name under which this test binary measures one operation:
// measure OP ROUNDS ARG. It prints the least of the rounds in nanoseconds,
// which under -icount are guest instructions. The least, because a round that a
// timer tick hits shows more.
const measureName = "measure"

func measure(args []string) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	rounds, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	op, err := operation(args[0], args[2])
	if err != nil {
		return err
	}
	least := time.Hour
	for range rounds {
		t := time.Now()
		op()
		least = min(least, time.Since(t))
	}
	fmt.Println(least.Nanoseconds())
	return nil
}

// operation prepares everything that is not to be measured. The operations
// ignore errors: a denied one is measured as well.
func operation(name, arg string) (func(), error) {
	path, err := syscall.BytePtrFromString(arg)
	if err != nil {
		return nil, err
	}
	p := uintptr(unsafe.Pointer(path))
	cwd := unix.AT_FDCWD
	switch name {
	case "udp", "resolve", "connect-name":
		return nameOperation(name, arg)
	case "open":
		return func() {
			fd, _, no := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(cwd), p, unix.O_RDONLY, 0, 0, 0)
			if no == 0 {
				syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
			}
			runtime.KeepAlive(path)
		}, nil
	case "mknod":
		return func() {
			syscall.RawSyscall6(unix.SYS_MKNODAT, uintptr(cwd), p, unix.S_IFREG|0o644, 0, 0, 0)
			syscall.RawSyscall(unix.SYS_UNLINKAT, uintptr(cwd), p, 0)
			runtime.KeepAlive(path)
		}, nil
	case "mkdir":
		return func() {
			syscall.RawSyscall(unix.SYS_MKDIRAT, uintptr(cwd), p, 0o755)
			syscall.RawSyscall(unix.SYS_UNLINKAT, uintptr(cwd), p, unix.AT_REMOVEDIR)
			runtime.KeepAlive(path)
		}, nil
	case "link", "rename":
		other, err := syscall.BytePtrFromString(arg + "2")
		if err != nil {
			return nil, err
		}
		q := uintptr(unsafe.Pointer(other))
		return func() {
			if name == "link" {
				syscall.RawSyscall6(unix.SYS_LINKAT, uintptr(cwd), p, uintptr(cwd), q, 0, 0)
				syscall.RawSyscall(unix.SYS_UNLINKAT, uintptr(cwd), q, 0)
			} else {
				syscall.RawSyscall6(unix.SYS_RENAMEAT, uintptr(cwd), p, uintptr(cwd), q, 0, 0)
				syscall.RawSyscall6(unix.SYS_RENAMEAT, uintptr(cwd), q, uintptr(cwd), p, 0, 0)
			}
			runtime.KeepAlive(path)
			runtime.KeepAlive(other)
		}, nil
	case "chmod":
		return func() {
			syscall.RawSyscall(unix.SYS_CHMOD, p, 0o755, 0)
			runtime.KeepAlive(path)
		}, nil
	case "truncate":
		return func() {
			syscall.RawSyscall(unix.SYS_TRUNCATE, p, 1, 0)
			runtime.KeepAlive(path)
		}, nil
	case "utimes":
		return func() {
			syscall.RawSyscall6(unix.SYS_UTIMENSAT, uintptr(cwd), p, 0, 0, 0, 0)
			runtime.KeepAlive(path)
		}, nil
	case "setxattr":
		attr, value := []byte("user.bench\x00"), []byte("x")
		return func() {
			syscall.RawSyscall6(unix.SYS_SETXATTR, p, uintptr(unsafe.Pointer(&attr[0])), uintptr(unsafe.Pointer(&value[0])), 1, 0, 0)
			runtime.KeepAlive(path)
		}, nil
	case "exec", "exec-env":
		attr := &syscall.ProcAttr{Env: []string{}}
		if name == "exec-env" {
			for i := range 32 { // 2,048 bytes
				attr.Env = append(attr.Env, fmt.Sprintf("VARIABLE_%02d=%s", i, strings.Repeat("x", 51)))
			}
		}
		argv := []string{arg}
		return func() {
			if pid, err := syscall.ForkExec(arg, argv, attr); err == nil {
				var ws syscall.WaitStatus
				_, _ = syscall.Wait4(pid, &ws, 0, nil)
			}
		}, nil
	case "noexec":
		argv := [2]uintptr{p, 0}
		return func() {
			syscall.RawSyscall(unix.SYS_EXECVE, p, uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&argv[1])))
		}, nil
	case "connect":
		port, err := strconv.ParseUint(arg, 10, 16)
		if err != nil {
			return nil, err
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		sa := [16]byte{unix.AF_INET, 0, 0, 0, 127, 0, 0, 1}
		binary.BigEndian.PutUint16(sa[2:], uint16(port))
		return func() {
			syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa[0])), 16)
		}, nil
	}
	return nil, fmt.Errorf("unknown operation %s", name)
}

// tinyELF is a static amd64 program that exits at once: mov edi,0; mov eax,60; syscall.
func tinyELF() []byte {
	code := []byte{0xbf, 0, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05}
	const base, head = 0x400000, 64 + 56
	b := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	le := binary.LittleEndian
	b = le.AppendUint16(b, 2) // executable
	b = le.AppendUint16(b, 62)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, base+head)
	b = le.AppendUint64(b, 64) // program headers
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1) // PT_LOAD
	b = le.AppendUint32(b, 5) // read, execute
	size := uint64(head + len(code))
	for _, v := range []uint64{0, base, base, size, size, 0x1000} {
		b = le.AppendUint64(b, v)
	}
	return append(b, code...)
}

func writeFile(path string, data []byte, mode os.FileMode) error {
	if err := os.WriteFile(path, data, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

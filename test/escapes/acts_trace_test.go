package escapes

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// named is a policy that gives a program rights of its own.
const named = rules + "  - {id: git, action: file.read, path: /escapes/git/**, exe: /usr/bin/git, decision: allow}\n"

// traceActs are the rows of other processes: their root, memory and state.
var traceActs = []escape{
	{id: "P26a", technique: "the root of a process outside", do: func() error {
		return open(fmt.Sprintf("/proc/%d/root%s", os.Getppid(), look), unix.O_RDONLY)
	}, hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace"},
	{id: "P26b", technique: "the memory of a process outside", do: func() error {
		return open(fmt.Sprintf("/proc/%d/mem", os.Getppid()), unix.O_RDONLY)
	}, hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace"},
	// Since 6.16 who has one of these capabilities is not asked as a tracer: the path decides alone.
	{id: "P26c", technique: "the environment of a process outside", do: func() error {
		if err := drop(unix.CAP_PERFMON, unix.CAP_SYS_ADMIN); err != nil {
			return prepare(err)
		}
		return open(fmt.Sprintf("/proc/%d/environ", os.Getppid()), unix.O_RDONLY)
	}, hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace"},
	{id: "P26d", technique: "trace a process outside", do: func() error {
		runtime.LockOSThread()
		return unix.PtraceSeize(os.Getppid())
	}, hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace"},
	{id: "P26e", technique: "process_vm_readv of a process outside", do: func() error { return readOther(os.Getppid()) },
		hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace", end: "EPERM"},
	{id: "P26f", technique: "the root of a process in another mount namespace", do: func() error {
		return withChild(unix.CLONE_NEWNS, func(pid int) error {
			return open(fmt.Sprintf("/proc/%d/root%s", pid, look), unix.O_RDONLY)
		})
	}, hook: "file_open", action: "read", rule: "builtin/unresolvable"},
	{id: "P26g", technique: "trace a process inside, where the policy tells programs apart", rules: named, do: traceChild,
		hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace"},
	{id: "P26h", technique: "have a child ask to be traced, where the policy tells programs apart", rules: named, do: childTraced,
		hook: "ptrace_traceme", action: "system", rule: "builtin/ptrace"},
	{id: "P26i", technique: "trace a process inside, where that is relaxed", rules: named + "builtin: {ptrace: allow}\n", do: traceChild,
		hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace", end: "ok"},
	{id: "P26j", technique: "memory of a process inside, where the policy tells programs apart", rules: named, do: func() error {
		return withChild(0, readOther)
	}, hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace", end: "EPERM"},
	{id: "P26k", technique: "make a process outside the first to die when memory is short", do: func() error {
		return open(fmt.Sprintf("/proc/%d/oom_score_adj", os.Getppid()), unix.O_WRONLY)
	}, rules: anyFile, hook: "file_open", action: "write", rule: "builtin/ptrace"},
	{id: "P26l", technique: "the same for one inside is like any file", do: func() error {
		return withChild(0, func(pid int) error { return open(fmt.Sprintf("/proc/%d/oom_score_adj", pid), unix.O_WRONLY) })
	}, rules: anyFile, hook: "file_open", action: "write", rule: "files", end: "ok"},
}

// withChild does something about a child of the same memory image, which waits.
func withChild(flags uintptr, do func(pid int) error) error {
	runtime.LockOSThread()
	pid, _, no := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if no != 0 {
		return no
	}
	if pid == 0 {
		for {
			unix.RawSyscall(unix.SYS_PAUSE, 0, 0, 0)
		}
	}
	err := do(int(pid))
	if kerr := unix.Kill(int(pid), unix.SIGKILL); kerr != nil {
		return prepare(kerr)
	}
	if _, werr := unix.Wait4(int(pid), nil, unix.WALL, nil); werr != nil {
		return prepare(werr)
	}
	return err
}

// drop gives up capabilities, in this thread.
func drop(caps ...int) error {
	runtime.LockOSThread()
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return err
	}
	for _, c := range caps {
		d[c/32].Effective &^= 1 << (c % 32)
		d[c/32].Permitted &^= 1 << (c % 32)
	}
	return unix.Capset(&h, &d[0])
}

func traceChild() error {
	return withChild(0, unix.PtraceSeize)
}

// childTraced has a child ask to be traced, and exit with the errno.
func childTraced() error {
	runtime.LockOSThread()
	pid, _, no := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if no != 0 {
		return prepare(no)
	}
	if pid == 0 {
		_, _, no := unix.RawSyscall(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0)
		unix.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(no), 0, 0)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(int(pid), &status, unix.WALL, nil); err != nil {
		return prepare(err)
	}
	if !status.Exited() {
		return prepare(errors.New("the child did not exit"))
	}
	if status.ExitStatus() != 0 {
		return unix.Errno(status.ExitStatus())
	}
	return nil
}

// readOther reads one byte of another process of this program.
func readOther(pid int) error {
	var b [1]byte
	local := []unix.Iovec{{Base: &b[0], Len: 1}}
	there := unsafe.StringData(root) // in the same place in every process of this binary
	_, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: pointer(there), Len: 1}}, 0)
	return err
}

func pointer(p *byte) uintptr { return uintptr(unsafe.Pointer(p)) }

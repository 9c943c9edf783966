package escapes

import (
	"errors"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// open to all files, and to perf and io_uring.
const lent = anyFile + "builtin: {perf: allow, io_uring: allow}\n"

// systemActs are the rows of the kernel's own interfaces, and of processes outside.
var systemActs = []escape{
	{id: "A2a", technique: "bpf(2): make a map", do: func() error {
		attr := struct{ kind, key, value, entries uint32 }{kind: 2, key: 4, value: 4, entries: 1} // an array
		return bpf(0, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	}, hook: "bpf", action: "system", rule: "builtin/bpf"},
	{id: "A2b", technique: "bpf(2): ask for programs by number", do: func() error {
		attr := struct{ start, next, flags uint32 }{}
		return bpf(11, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	}, hook: "bpf", action: "system", rule: "builtin/bpf"},

	{id: "A3c", technique: "perf_event_open", do: perf, hook: "perf_event_open", action: "system", rule: "builtin/perf"},
	{id: "A3d", technique: "perf_event_open, where it is relaxed", rules: lent, do: perf,
		hook: "perf_event_open", action: "system", rule: "builtin/perf", end: "ok"},
	// What the kernel takes in and finds to be no module has passed the gate.
	{id: "A3e", technique: "load a module from memory", do: func() error {
		return read(unix.InitModule(make([]byte, 4096), ""))
	}, hook: "capable", action: "system", rule: "builtin/modules", end: "EPERM"},
	{id: "A3f", technique: "load a module from a file", rules: anyFile, do: func() error {
		return withFile(file, func(fd int) error { return read(unix.FinitModule(fd, "", 0)) })
	}, hook: "capable", action: "system", rule: "builtin/modules", end: "EPERM"},
	{id: "A3g", technique: "load a compressed module from a file", rules: anyFile, do: func() error {
		return withFile(file, func(fd int) error {
			err := unix.FinitModule(fd, "", compressed)
			if errors.Is(err, unix.EINVAL) {
				return nil
			}
			return read(err)
		})
	}, hook: "capable", action: "system", rule: "builtin/modules", end: "EPERM", lacks: noCompressed},
	{id: "A3h", technique: "remove a module", do: func() error {
		err := unix.DeleteModule("of-no-such-name", unix.O_NONBLOCK)
		if errors.Is(err, unix.ENOENT) {
			return nil
		}
		return err
	}, hook: "capable", action: "system", rule: "builtin/modules", end: "EPERM"},
	{id: "A3i", technique: "kexec", do: func() error {
		_, _, no := unix.Syscall6(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0, 0, 0)
		return errno(no)
	}, hook: "capable", action: "system", rule: "builtin/kexec", end: "EPERM", lacks: noKexec},
	{id: "A3m", technique: "kexec, from a PID namespace of one's own", do: func() error {
		return inChild(unix.CLONE_NEWPID, unix.SYS_KEXEC_LOAD, 0, 0, 0, 0)
	}, hook: "kernel_load_data", action: "system", rule: "builtin/kexec", lacks: noKexec},
	{id: "A3j", technique: "kexec from a file, from a PID namespace of one's own", rules: anyFile, do: func() error {
		const noInitramfs = 4
		return withFile(file, func(fd int) error {
			noInitrd := ^uintptr(0)
			return read(inChild(unix.CLONE_NEWPID, unix.SYS_KEXEC_FILE_LOAD, uintptr(fd), noInitrd, 0, 0, noInitramfs))
		})
	}, hook: "kernel_read_file", action: "system", rule: "builtin/kexec", lacks: noKexec},
	{id: "A3k", technique: "the machine's ports", do: func() error {
		runtime.LockOSThread()
		return unix.Ioperm(0x80, 1, 1)
	}, hook: "locked_down", action: "system", rule: "builtin/system", end: "EPERM"},
	{id: "A3l", technique: "the node's clock", do: func() error {
		now := unix.NsecToTimeval(time.Now().UnixNano())
		return unix.Settimeofday(&now)
	}, hook: "capable", action: "system", rule: "builtin/system", end: "EPERM"},
	{id: "A3n", technique: "the rate of the node's clock", do: func() error {
		var now unix.Timex
		if _, err := unix.Adjtimex(&now); err != nil {
			return prepare(err)
		}
		now.Modes = unix.ADJ_FREQUENCY
		_, err := unix.Adjtimex(&now)
		return err
	}, hook: "capable", action: "system", rule: "builtin/system", end: "EPERM"},
	// Of its commands one that ends nothing: what Ctrl-Alt-Del does.
	{id: "A3o", technique: "reboot the node, in its PID namespace", do: func() error { return unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) },
		hook: "capable", action: "system", rule: "builtin/kexec", end: "EPERM"},

	{id: "E10a", technique: "io_uring: a command to a driver", rules: anyFile, do: uringCommand,
		hook: "uring_cmd", action: "system", rule: "builtin/io_uring", lacks: noUringNull},
	{id: "E10b", technique: "the same, where it is relaxed", rules: lent, do: uringCommand,
		hook: "uring_cmd", action: "system", rule: "builtin/io_uring", end: "ok", lacks: noUringNull},
	{id: "E10c", technique: "io_uring: act by credentials left in the ring", rules: anyFile, do: uringPersonality,
		hook: "uring_override_creds", action: "system", rule: "builtin/io_uring"},
	{id: "E10d", technique: "io_uring: make a socket of another family", do: func() error {
		const opSocket = 45
		return lookedFor(uring(uringEntry{op: opSocket, fd: unix.AF_PACKET, off: unix.SOCK_RAW}, 0))
	}, hook: "socket_create", action: "system", rule: "builtin/socket-family"},

	{id: "S19a", technique: "signal a process outside", do: func() error { return unix.Kill(os.Getppid(), unix.SIGCONT) },
		hook: "task_kill", action: "system", rule: "builtin/signal"},
	{id: "S19b", technique: "signal all processes", do: func() error { return unix.Kill(-1, unix.SIGCONT) },
		hook: "task_kill", action: "system", rule: "builtin/signal"},
	{id: "S19c", technique: "signal a process outside by its pidfd", do: func() error {
		fd, err := unix.PidfdOpen(os.Getppid(), 0)
		if err != nil {
			return prepare(err)
		}
		return unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
	}, hook: "task_kill", action: "system", rule: "builtin/signal"},
	{id: "S19d", technique: "the limits of a process outside", do: func() error {
		var now unix.Rlimit
		if err := unix.Prlimit(os.Getppid(), unix.RLIMIT_CORE, nil, &now); err != nil {
			return prepare(err)
		}
		return unix.Prlimit(os.Getppid(), unix.RLIMIT_CORE, &now, nil)
	}, hook: "task_setrlimit", action: "system", rule: "builtin/signal"},
	{id: "S19e", technique: "the processors of a process outside", do: func() error {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(os.Getppid(), &set); err != nil {
			return prepare(err)
		}
		return unix.SchedSetaffinity(os.Getppid(), &set)
	}, hook: "task_setscheduler", action: "system", rule: "builtin/signal"},
	{id: "S19f", technique: "the priority of a process outside", do: func() error {
		return unix.Setpriority(unix.PRIO_PROCESS, os.Getppid(), 0)
	}, hook: "task_setnice", action: "system", rule: "builtin/signal"},
	{id: "S19g", technique: "the disk priority of a process outside", do: func() error {
		const process, bestEffort = 1, 2<<13 | 4
		_, _, no := unix.Syscall(unix.SYS_IOPRIO_SET, process, uintptr(os.Getppid()), bestEffort)
		return errno(no)
	}, hook: "task_setioprio", action: "system", rule: "builtin/signal"},
	{id: "S19h", technique: "have the kernel signal a process outside when data comes (F_SETOWN)",
		reason: "the signal is sent in the name of whoever sends the data, and programs name owners that they have not; whom it reaches is visible in the PID namespace"},
}

func errno(no unix.Errno) error {
	if no != 0 {
		return no
	}
	return nil
}

// inChild makes a system call in a forked process, which makes no other.
func inChild(flags, trap uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	runtime.LockOSThread()
	pid, _, no := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if no != 0 {
		return prepare(no)
	}
	if pid == 0 {
		_, _, no := unix.RawSyscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5])
		unix.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(no), 0, 0)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(int(pid), &ws, 0, nil); err != nil {
		return prepare(err)
	}
	return errno(unix.Errno(ws.ExitStatus()))
}

func bpf(command int, attr unsafe.Pointer, size uintptr) error {
	_, _, no := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(attr), size)
	return errno(no)
}

func perf() error {
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, Size: unix.PERF_ATTR_SIZE_VER0}
	_, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	return err
}

// read is nil where the kernel has read what it was given and found it wrong.
func read(err error) error {
	if errors.Is(err, unix.ENOEXEC) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

func withFile(path string, do func(fd int) error) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return prepare(err)
	}
	return do(fd)
}

func noKexec() string {
	if _, err := os.Stat("/sys/kernel/kexec_loaded"); err != nil {
		return "kexec"
	}
	return ""
}

const compressed = 4 // MODULE_INIT_COMPRESSED_FILE

func noCompressed() string {
	if err := unix.FinitModule(-1, "", compressed); errors.Is(err, unix.EINVAL) {
		return "compressed modules"
	}
	return ""
}

package escapes

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioctls of namespaces and pidfds: include/uapi/linux/{nsfs,pidfd}.h.
const (
	nsGetUserns  = 0xb701
	nsMntGetPrev = 0x8010b70c
	pidfdGetUTS  = 0xff0a
	nsfsRoot     = -10003 // FD_NSFS_ROOT
)

// setnsActs are the ways to a descriptor of another namespace, and what one by a
// pidfd gives. What is allowed is counted, and recorded once in a cgroup: so
// these have a policy of their own.
var setnsActs = []escape{
	{id: "S8a", technique: "open the namespace of another process, inside", do: func() error {
		return withChild(unix.CLONE_NEWUTS, func(pid int) error { return open(fmt.Sprintf("/proc/%d/ns/uts", pid), unix.O_RDONLY) })
	}, rules: anyFile, hook: "file_open", action: "read", rule: "builtin/setns"},
	{id: "S8b", technique: "receive a namespace", hand: foreignNamespace, do: receive,
		rules: anyFile, hook: "file_receive", action: "read", rule: "builtin/setns"},
	{id: "S8c", technique: "inherit a namespace", inherit: foreignNamespace, do: setInherited,
		rules: anyFile, hook: "bprm_committing_creds", action: "read", rule: "builtin/setns", end: "SIGKILL"},
	{id: "S8d", technique: "a namespace that is mounted on a file", setup: mountNamespace, do: opened(file, unix.O_RDONLY),
		rules: anyFile, hook: "file_open", action: "read", subject: "desk/file", rule: "builtin/setns"},
	{id: "S8e", technique: "a namespace by an ioctl of a pidfd", do: func() error {
		return withChild(unix.CLONE_NEWUTS, namespaceOf)
	}, rules: anyFile, hook: "file_open", action: "read", rule: "builtin/setns", lacks: noPidfdNamespaces},
	{id: "S8f", technique: "the next mount namespace of the machine", do: func() error {
		return withChild(unix.CLONE_NEWNS, func(int) error { return neighbour() })
	}, rules: anyFile, hook: "file_open", action: "read", rule: "builtin/setns", lacks: noNeighbours},
	{id: "S8g", technique: "a namespace by its handle", do: func() error {
		return withChild(unix.CLONE_NEWUTS, byNamespaceHandle)
	}, rules: anyFile, hook: "file_open", action: "read", rule: "builtin/setns", lacks: noNamespaceHandles},
	{id: "S8l", technique: "list the machine's namespaces (listns)", reason: "It gives numbers only; a namespace by its number is S8g."},
	{id: "S8h", technique: "its own namespaces, and the user namespace of one", do: func() error {
		fd, err := unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return prepare(err)
		}
		return ioctl(fd, nsGetUserns, nil)
	}, rules: anyFile + "# S8h\n", hook: "file_open", action: "read", rule: "builtin/anonymous", end: "ok"},
	{id: "S8i", technique: "the namespaces of its children, when it makes new ones", do: func() error {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWPID); err != nil {
			return prepare(err)
		}
		return errors.Join(open("/proc/thread-self/ns/pid", unix.O_RDONLY), withChild(0, func(int) error {
			return open("/proc/thread-self/ns/pid_for_children", unix.O_RDONLY)
		}))
	}, rules: anyFile + "# S8i\n", hook: "file_open", action: "read", rule: "builtin/anonymous", end: "ok"},
	{id: "S8j", technique: "enter a mount namespace inside by a pidfd, and read there", do: func() error {
		return withChild(unix.CLONE_NEWNS, func(pid int) error {
			if err := enter(pid); err != nil {
				return prepare(err)
			}
			return open(key, unix.O_RDONLY)
		})
	}, hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "S8k", technique: "enter the namespaces of a process outside by a pidfd", do: func() error { return enter(os.Getppid()) },
		rules: anyFile, hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace", end: "EPERM"},
}

// enter joins the mount namespace of a process by a pidfd.
func enter(pid int) error {
	runtime.LockOSThread()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return prepare(err)
	}
	defer unix.Close(fd)
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // a thread that shares its root with others may not
		return prepare(err)
	}
	return unix.Setns(fd, unix.CLONE_NEWNS)
}

// foreignNamespace opens a namespace that nobody else is in.
func foreignNamespace() (int, error) {
	type opened struct {
		fd  int
		err error
	}
	done := make(chan opened)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread ends here
		err := unix.Unshare(unix.CLONE_NEWUTS)
		fd, oerr := unix.Open("/proc/thread-self/ns/uts", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		done <- opened{fd, errors.Join(err, oerr)}
	}()
	o := <-done
	return o.fd, o.err
}

// mountNamespace makes a file of the tree one of a foreign namespace.
func mountNamespace() error {
	fd, err := foreignNamespace()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), file, "", unix.MS_BIND, "")
}

// setInherited enters the namespace that was inherited.
func setInherited() error {
	runtime.LockOSThread()
	return unix.Setns(inherited, unix.CLONE_NEWUTS)
}

func ioctl(fd int, cmd uintptr, arg unsafe.Pointer) error {
	got, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), cmd, uintptr(arg))
	if no != 0 {
		return no
	}
	return unix.Close(int(got))
}

// namespaceOf asks a pidfd for a namespace of the process.
func namespaceOf(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return prepare(err)
	}
	defer unix.Close(fd)
	return ioctl(fd, pidfdGetUTS, nil)
}

func noPidfdNamespaces() string {
	if err := namespaceOf(os.Getpid()); err != nil {
		return "namespaces of a pidfd: " + err.Error()
	}
	return ""
}

// neighbour opens the mount namespace made before this process's one, or, of
// the machine's first, the one made after it.
func neighbour() error {
	fd, err := unix.Open("/proc/self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return prepare(err)
	}
	defer unix.Close(fd)
	var info [2]uint64
	*(*uint32)(unsafe.Pointer(&info)) = uint32(unsafe.Sizeof(info))
	err = ioctl(fd, nsMntGetPrev, unsafe.Pointer(&info))
	if errors.Is(err, unix.ENOENT) {
		return ioctl(fd, nsMntGetPrev-1, unsafe.Pointer(&info))
	}
	return err
}

func noNeighbours() string {
	if err := neighbour(); errors.Is(err, unix.ENOTTY) {
		return "ioctls that give other mount namespaces"
	}
	return ""
}

// byNamespaceHandle opens a namespace of a process by a handle made of its number alone.
func byNamespaceHandle(pid int) error {
	handle, err := namespaceHandle(pid)
	if err != nil {
		return err
	}
	fd, err := unix.OpenByHandleAt(nsfsRoot, handle, unix.O_RDONLY|unix.O_CLOEXEC)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// namespaceHandle names it without opening it.
func namespaceHandle(pid int) (unix.FileHandle, error) {
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, fmt.Sprintf("/proc/%d/ns/uts", pid), unix.AT_SYMLINK_FOLLOW)
	return h, prepare(err)
}

func noNamespaceHandles() string {
	if err := byNamespaceHandle(os.Getpid()); err != nil {
		return "handles of namespaces: " + err.Error()
	}
	return ""
}

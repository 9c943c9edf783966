package escapes

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	key       = root + "/secret/key"
	file      = root + "/desk/file"
	look      = root + "/look/file"
	held      = 3 // look/file, open for writing, inherited
	socket    = 4 // over which the key arrives
	inherited = 5 // what else is inherited
)

func outcome(err error) string {
	var no syscall.Errno
	var by signaled
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &no):
		return unix.ErrnoName(no)
	case errors.As(err, &by):
		return by.Error()
	}
	return "error: " + err.Error()
}

// prepare hides an errno: preparing must not pass for the act.
func prepare(err error) error {
	if err != nil {
		return errors.New("prepare: " + err.Error())
	}
	return nil
}

func open(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o644)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// pathActs are the rows of paths and files.
var pathActs = []escape{
	{id: "P2a", technique: "rename an ancestor directory", do: func() error {
		return unix.Rename(root+"/secret", root+"/desk/s")
	}, hook: "path_rename", action: "delete", subject: "secret", rule: "no-secret"},
	{id: "P2b", technique: "rename a directory to where its files may be read", do: func() error {
		return unix.Rename(root+"/desk/private/dir", root+"/desk/d")
	}, hook: "path_rename", action: "write", subject: "desk/d", rule: "builtin/subtree"},
	{id: "P2c", technique: "exchange two directories under different rules", do: func() error {
		return unix.Renameat2(unix.AT_FDCWD, root+"/desk/dir", unix.AT_FDCWD, root+"/desk/private/dir", unix.RENAME_EXCHANGE)
	}, hook: "path_rename", action: "write", subject: "desk/private/dir", rule: "builtin/subtree"},

	{id: "P5a", technique: "hard link to a secret", do: func() error {
		return unix.Link(key, root+"/desk/a")
	}, hook: "path_link", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P5b", technique: "hard link that makes a file writable", do: func() error {
		return unix.Link(look, root+"/desk/a")
	}, hook: "path_link", action: "write", subject: "look/file", rule: "default"},
	{id: "P5c", technique: "hard link through /proc/self/fd", do: func() error {
		fd, err := unix.Open(look, unix.O_RDONLY, 0)
		if err != nil {
			return prepare(err)
		}
		return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, root+"/desk/a", unix.AT_SYMLINK_FOLLOW)
	}, hook: "path_link", action: "write", subject: "look/file", rule: "default"},
	{id: "P5d", technique: "hard link that makes a file executable", do: func() error {
		return unix.Link(file, root+"/desk/bin/a")
	}, hook: "path_link", action: "exec", subject: "desk/file", rule: "default"},

	{id: "P6a", technique: "move a file to where it may be read", do: func() error {
		return unix.Rename(root+"/desk/private/file", root+"/desk/f")
	}, hook: "path_rename", action: "read", subject: "desk/private/file", rule: "private"},
	{id: "P6b", technique: "move a file over a protected name", do: func() error {
		return unix.Rename(file, key)
	}, hook: "path_rename", action: "write", subject: "secret/key", rule: "no-secret"},
	{id: "P6c", technique: "exchange a file with a protected one", do: func() error {
		return unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, key, unix.RENAME_EXCHANGE)
	}, hook: "path_rename", action: "write", subject: "secret/key", rule: "no-secret"},
	{id: "P6d", technique: "exchange a file with one that may not be read", do: func() error {
		return unix.Renameat2(unix.AT_FDCWD, file, unix.AT_FDCWD, root+"/desk/private/file", unix.RENAME_EXCHANGE)
	}, hook: "path_rename", action: "read", subject: "desk/private/file", rule: "private"},
	{id: "P6e", technique: "move a file to where it may be run", do: func() error {
		return unix.Rename(file, root+"/desk/bin/a")
	}, hook: "path_rename", action: "exec", subject: "desk/file", rule: "default"},
	{id: "P6f", technique: "move a file away that may be read only", do: func() error {
		return unix.Rename(look, root+"/desk/a")
	}, hook: "path_rename", action: "delete", subject: "look/file", rule: "default"},

	{id: "P15", technique: "symbolic link to a secret", do: func() error {
		if err := unix.Symlink(key, root+"/desk/l"); err != nil {
			return prepare(err)
		}
		return open(root+"/desk/l", unix.O_RDONLY)
	}, hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},

	{id: "P16a", technique: "truncate by path", do: func() error { return unix.Truncate(look, 1) },
		hook: "path_truncate", action: "write", subject: "look/file", rule: "default"},
	{id: "P16b", technique: "truncate through a descriptor from before", do: func() error { return unix.Ftruncate(held, 1) },
		hook: "file_truncate", action: "write", subject: "look/file", rule: "default", lacks: noFileTruncate},

	{id: "P17a", technique: "unlink", do: func() error { return unix.Unlink(look) },
		hook: "path_unlink", action: "delete", subject: "look/file", rule: "default"},
	{id: "P17b", technique: "rmdir", do: func() error { return unix.Rmdir(root + "/look/dir") },
		hook: "path_rmdir", action: "delete", subject: "look/dir", rule: "default"},
	{id: "P17c", technique: "mkdir", do: func() error { return unix.Mkdir(root+"/look/new", 0o755) },
		hook: "path_mkdir", action: "write", subject: "look/new", rule: "default", left: "look/new"},
	{id: "P17d", technique: "mknod of a pipe", do: func() error { return unix.Mkfifo(root+"/look/new", 0o644) },
		hook: "path_mknod", action: "write", subject: "look/new", rule: "default", left: "look/new"},
	{id: "P17e", technique: "mknod of a device", do: func() error { return unix.Mknod(root+"/look/new", unix.S_IFBLK|0o600, 0x700) },
		hook: "path_mknod", action: "write", subject: "look/new", rule: "builtin/mknod", left: "look/new"},
	{id: "P17f", technique: "symlink", do: func() error { return unix.Symlink("x", root+"/look/new") },
		hook: "path_symlink", action: "write", subject: "look/new", rule: "default", left: "look/new"},
	{id: "P17g", technique: "chmod", do: func() error { return unix.Chmod(look, 0o777) },
		hook: "path_chmod", action: "write", subject: "look/file", rule: "default"},
	{id: "P17h", technique: "fchmod of a descriptor open for reading", do: func() error {
		fd, err := unix.Open(look, unix.O_RDONLY, 0)
		if err != nil {
			return prepare(err)
		}
		return unix.Fchmod(fd, 0o777)
	}, hook: "path_chmod", action: "write", subject: "look/file", rule: "default"},
	{id: "P17i", technique: "chown", do: func() error { return unix.Lchown(look, 1, 1) },
		hook: "path_chown", action: "write", subject: "look/file", rule: "default"},
	{id: "P17j", technique: "an open that creates leaves nothing behind", do: func() error {
		return open(root+"/look/new", unix.O_WRONLY|unix.O_CREAT)
	}, hook: "path_mknod", action: "write", subject: "look/new", rule: "default", left: "look/new"},
	{id: "P17k", technique: "create by opening for reading", do: func() error {
		return open(root+"/look/new", unix.O_RDONLY|unix.O_CREAT)
	}, hook: "path_mknod", action: "write", subject: "look/new", rule: "default", left: "look/new"},
	{id: "P17l", technique: "bind a unix socket", do: func() error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return prepare(err)
		}
		return unix.Bind(fd, &unix.SockaddrUnix{Name: root + "/look/new"})
	}, hook: "path_mknod", action: "write", subject: "look/new", rule: "default", left: "look/new"},

	{id: "P18a", technique: "setxattr", do: func() error { return unix.Setxattr(look, "trusted.x", []byte("1"), 0) },
		hook: "inode_setxattr", action: "write", subject: "look/file", rule: "default"},
	{id: "P18b", technique: "fsetxattr of a descriptor open for reading", do: func() error {
		fd, err := unix.Open(look, unix.O_RDONLY, 0)
		if err != nil {
			return prepare(err)
		}
		return unix.Fsetxattr(fd, "trusted.x", []byte("1"), 0)
	}, hook: "inode_setxattr", action: "write", subject: "look/file", rule: "default"},
	{id: "P18c", technique: "removexattr", do: func() error {
		err := unix.Removexattr(look, "trusted.x")
		if errors.Is(err, unix.ENODATA) { // it reached the file system
			return nil
		}
		return err
	}, hook: "inode_removexattr", action: "write", subject: "look/file", rule: "default"},
	{id: "P18d", technique: "utimensat", do: func() error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, look, []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0)
	}, hook: "inode_setattr", action: "write", subject: "look/file", rule: "default"},
	{id: "P18e", technique: "futimens of a descriptor open for reading", do: func() error {
		fd, err := unix.Open(look, unix.O_RDONLY, 0)
		if err != nil {
			return prepare(err)
		}
		return futimens(fd)
	}, hook: "inode_setattr", action: "write", subject: "look/file", rule: "default"},
	{id: "P18f", technique: "set an ACL", do: func() error { return unix.Setxattr(look, "system.posix_acl_access", anACL, 0) },
		hook: aclHook("inode_set_acl", "inode_setxattr"), action: "write", subject: "look/file", rule: "default"},
	{id: "P18g", technique: "remove an ACL", do: func() error { return unix.Removexattr(look, "system.posix_acl_access") },
		hook: aclHook("inode_remove_acl", "inode_removexattr"), action: "write", subject: "look/file", rule: "default"},
	{id: "P18h", technique: "inode flags by ioctl, descriptor open for reading", do: setFlags,
		hook: "file_ioctl", action: "write", subject: "look/file", rule: "default", lacks: noInodeFlags},
	{id: "P18i", technique: "file_setattr", do: fileSetattr,
		hook: "inode_file_setattr", action: "write", subject: "look/file", rule: "default", lacks: noFileSetattr},

	{id: "P20", technique: "O_PATH descriptor, reopened", do: func() error {
		fd, err := unix.Open(key, unix.O_PATH, 0)
		if err != nil {
			return prepare(err)
		}
		return open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY)
	}, hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P21", technique: "open_by_handle_at", do: byHandle,
		hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P22a", technique: "io_uring unlinkat", do: uringUnlink,
		hook: "path_unlink", action: "delete", subject: "look/file", rule: "default"},
	{id: "P22b", technique: "io_uring openat, by a worker", do: uringOpen(0, uringAsync),
		hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P22c", technique: "io_uring openat, by a polling thread", do: uringOpen(uringPoll, 0),
		hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P22d", technique: "a ring from outside", reason: "Its maker outside acts through it, as it could without; the kernel hands no ring on since 6.7."},
	{id: "P23a", technique: "descriptor received by SCM_RIGHTS", do: receive,
		hook: "file_receive", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P23b", technique: "pidfd_getfd from a process outside", do: func() error { return pidfdGetfd(os.Getppid(), 0) },
		hook: "ptrace_access_check", action: "system", rule: "builtin/ptrace", end: "EPERM"},
	{id: "P23c", technique: "pidfd_getfd from a process inside", do: func() error {
		return withChild(0, func(pid int) error { return pidfdGetfd(pid, held) })
	}, hook: "file_receive", action: "write", subject: "look/file", rule: "default"},
	{id: "P27", technique: "magic link of the own root", do: func() error {
		return open("/proc/self/root"+key, unix.O_RDONLY)
	}, hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P31", technique: "newline in a name", do: func() error {
		return open(root+"/secret/a\n{\"fake\":1}", unix.O_WRONLY|unix.O_CREAT)
	}, hook: "path_mknod", action: "write", subject: "secret/a\n{\"fake\":1}", rule: "no-secret", left: "secret/a\n{\"fake\":1}"},
	{id: "P32", technique: "access mode 3", do: func() error { return open(look, 3) },
		hook: "file_open", action: "write", subject: "look/file", rule: "default"},
	{id: "P32a", technique: "read, write, create and truncate at once", do: func() error {
		return open(look, unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC)
	}, hook: "file_open", action: "write", subject: "look/file", rule: "default"},
	{id: "P32b", technique: "open for appending", do: func() error { return open(look, unix.O_WRONLY|unix.O_APPEND) },
		hook: "file_open", action: "write", subject: "look/file", rule: "default"},
	{id: "P33", technique: "O_TMPFILE, then linked to a protected name", do: func() error {
		fd, err := unix.Open(root+"/desk", unix.O_TMPFILE|unix.O_WRONLY, 0o644)
		if err != nil {
			return prepare(err)
		}
		return unix.Linkat(fd, "", unix.AT_FDCWD, root+"/look/new", unix.AT_EMPTY_PATH)
	}, hook: "path_link", action: "write", subject: "look/new", rule: "default", left: "look/new"},
	{id: "P34a", technique: "shared writable mapping of a descriptor from before", do: func() error {
		_, err := unix.Mmap(held, 0, 1, unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	}, hook: "mmap_file", action: "write", subject: "look/file", rule: "default"},
	{id: "P34b", technique: "shared mapping made writable later", do: func() error {
		b, err := unix.Mmap(held, 0, 1, unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return prepare(err)
		}
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE)
	}, hook: "file_mprotect", action: "write", subject: "look/file", rule: "default"},
	{id: "P34c", technique: "copy between descriptors", reason: "Both were judged when they were opened; a copy needs no third right."},
	{id: "P36a", technique: "inotify watch", do: func() error {
		fd, err := unix.InotifyInit()
		if err != nil {
			return prepare(err)
		}
		_, err = unix.InotifyAddWatch(fd, root+"/secret", unix.IN_ALL_EVENTS)
		return err
	}, hook: "path_notify", action: "read", subject: "secret", rule: "no-secret"},
	{id: "P36b", technique: "fanotify mark", do: func() error {
		fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF, unix.O_RDONLY)
		if err != nil {
			return prepare(err)
		}
		return unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_OPEN, unix.AT_FDCWD, root+"/secret")
	}, hook: "path_notify", action: "read", subject: "secret", rule: "no-secret"},
}

// anACL is rw-r--r-- with one more entry for user 1, as the kernel reads it.
var anACL = []byte{2, 0, 0, 0,
	1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 2, 0, 4, 0, 1, 0, 0, 0, 4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
	0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 4, 0, 0xff, 0xff, 0xff, 0xff}

func futimens(fd int) error {
	ts := [2]unix.Timespec{{Sec: 1}, {Sec: 1}}
	_, _, no := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if no != 0 {
		return no
	}
	return nil
}

func setFlags() error {
	fd, err := unix.Open(look, unix.O_RDONLY, 0)
	if err != nil {
		return prepare(err)
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, 0x80) // FS_NOATIME_FL
}

func fileSetattr() error {
	path, err := unix.BytePtrFromString(look)
	if err != nil {
		return prepare(err)
	}
	attr := struct {
		xflags                       uint64
		extsize, nextents, proj, cow uint32
	}{xflags: 0x40} // FS_XFLAG_NOATIME
	cwd := unix.AT_FDCWD
	_, _, no := unix.Syscall6(sysFileSetattr, uintptr(cwd), uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0, 0)
	if no != 0 {
		return no
	}
	return nil
}

func byHandle() error {
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, key, 0)
	if err != nil {
		return prepare(err)
	}
	mount, err := unix.Open(root, unix.O_PATH, 0)
	if err != nil {
		return prepare(err)
	}
	// Of an O_PATH descriptor the call takes the mount only from 6.13 on.
	fd, err := unix.OpenByHandleAt(mount, h, unix.O_RDONLY)
	if errors.Is(err, unix.EBADF) {
		if mount, err = unix.Open(root+"/desk", unix.O_RDONLY, 0); err != nil {
			return prepare(err)
		}
		fd, err = unix.OpenByHandleAt(mount, h, unix.O_RDONLY)
	}
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// receive takes the key from the socket. Where the gate refuses, the message
// arrives without its descriptor.
func receive() error {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, flags, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return prepare(err)
	}
	if n == 0 && flags&unix.MSG_CTRUNC != 0 {
		return unix.EACCES
	}
	return nil
}

func pidfdGetfd(pid, fd int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return prepare(err)
	}
	_, err = unix.PidfdGetfd(pidfd, fd, 0)
	return err
}

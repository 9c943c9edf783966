package escapes

import (
	"bytes"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const sysFileSetattr = 469

// hasHook looks for the hook's name among those that the kernel describes.
func hasHook(name string) bool {
	b, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	return err == nil && bytes.Contains(b, []byte("\x00bpf_lsm_"+name+"\x00"))
}

func noFileTruncate() string {
	if !hasHook("file_truncate") {
		return "hook file_truncate: path_truncate sees what goes through descriptors"
	}
	return ""
}

// aclHook is the hook that sees ACLs: one of their own since 6.2.
func aclHook(own, before string) string {
	if os.Getenv("SAFECLAW_GUEST") == "1" && !hasHook(own) {
		return before
	}
	return own
}

func noInodeFlags() string {
	if errors.Is(setFlags(), unix.ENOTTY) {
		return "inode flags on tmpfs"
	}
	return ""
}

func noFileSetattr() string {
	if _, _, no := unix.Syscall(sysFileSetattr, 0, 0, 0); no == unix.ENOSYS {
		return "system call file_setattr"
	}
	return ""
}

func noExecveCheck() string {
	fd, err := unix.Open("/proc/self/exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		defer unix.Close(fd)
		err = executeAt(fd, "", unix.AT_EMPTY_PATH|execveCheck)
	}
	if errors.Is(err, unix.EINVAL) {
		return "execveat with AT_EXECVE_CHECK"
	}
	return ""
}

func noCgroup1() string {
	if err := mountCgroup1(); err != nil {
		return "cgroup v1: " + err.Error()
	}
	return ""
}

func noUeventHelper() string {
	if _, err := os.Stat("/sys/kernel/uevent_helper"); err != nil {
		return "a program for device events: " + err.Error()
	}
	return ""
}

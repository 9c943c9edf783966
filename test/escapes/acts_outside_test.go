package escapes

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Nodes of devices, under names that say nothing.
const (
	node     = root + "/desk/node"
	disk     = 7 << 8    // loop0
	memory   = 1<<8 | 1  // mem
	ports    = 1<<8 | 4  // port
	log      = 1<<8 | 11 // kmsg
	terminal = 4<<8 | 64 // ttyS0
)

// relaxedFiles relaxes what can be relaxed of the files that reach outside.
const relaxedFiles = anyFile + "builtin: {kernel_files: allow, kernel_log: allow, block_devices: allow, devices: allow, mknod: allow}\n"

// relaxedOnly relaxes the same, and no rule allows any of it.
const relaxedOnly = rules + "builtin: {block_devices: allow, devices: allow, mknod: allow}\n"

func made(mode uint32, dev int) func() error {
	return func() error { return unix.Mknod(node, mode|0o666, dev) }
}

func opened(path string, flags int) func() error {
	return func() error { return open(path, flags|unix.O_NONBLOCK|unix.O_NOCTTY) }
}

// outsideActs are the rows of files that act on the node or show it, and of the
// agent's own: what a gated process may not even ask for.
var outsideActs = []escape{
	{id: "P28e", technique: "the kernel's memory in proc", do: opened("/proc/kcore", unix.O_RDONLY),
		rules: anyFile, hook: "file_open", action: "read", subject: "/proc/kcore", rule: "builtin/kernel_memory"},
	{id: "P28f", technique: "the kernel's memory by a node of another name", setup: made(unix.S_IFCHR, memory), do: opened(node, unix.O_RDONLY),
		rules: relaxedFiles, hook: "file_open", action: "read", subject: "desk/node", rule: "builtin/kernel_memory", lacks: noDevice(memory)},
	{id: "P28g", technique: "the machine's ports by such a node", setup: made(unix.S_IFCHR, ports), do: opened(node, unix.O_RDWR),
		rules: relaxedFiles, hook: "file_open", action: "write", subject: "desk/node", rule: "builtin/kernel_memory", lacks: noDevice(ports)},
	{id: "P28h", technique: "the kernel's log in proc", do: opened("/proc/kmsg", unix.O_RDONLY),
		rules: anyFile, hook: "file_open", action: "read", subject: "/proc/kmsg", rule: "builtin/kernel_log"},
	{id: "P28i", technique: "the kernel's log by a node of another name", setup: made(unix.S_IFCHR, log), do: opened(node, unix.O_RDWR),
		rules: anyFile, hook: "file_open", action: "write", subject: "desk/node", rule: "builtin/kernel_log"},
	{id: "P28j", technique: "the kernel's log without a file", do: readLog,
		rules: anyFile, hook: "syslog", action: "system", rule: "builtin/kernel_log"},
	{id: "P28k", technique: "the same, where that is relaxed", do: readLog,
		rules: relaxedFiles, hook: "syslog", action: "system", rule: "builtin/kernel_log", end: "ok"},

	{id: "P28l", technique: "a disk past its file system, by a node of another name", setup: made(unix.S_IFBLK, disk), do: opened(node, unix.O_RDONLY),
		rules: anyFile, hook: "file_open", action: "read", subject: "desk/node", rule: "builtin/block_devices"},
	{id: "P28m", technique: "a disk, for writing", setup: made(unix.S_IFBLK, disk), do: opened(node, unix.O_RDWR),
		rules: anyFile, hook: "file_open", action: "write", subject: "desk/node", rule: "builtin/block_devices"},
	{id: "P28n", technique: "a disk, where that is relaxed", setup: made(unix.S_IFBLK, disk), do: opened(node, unix.O_RDONLY),
		rules: relaxedFiles, hook: "file_open", action: "read", subject: "desk/node", rule: "builtin/block_devices", end: "ok"},
	{id: "P28o", technique: "a disk, where that is relaxed and no rule allows its path", setup: func() error {
		return unix.Mknod(root+"/look/node", unix.S_IFBLK|0o666, disk)
	}, do: opened(root+"/look/node", unix.O_RDWR),
		rules: relaxedOnly, hook: "file_open", action: "write", subject: "look/node", rule: "default"},
	{id: "P28p", technique: "a device that not every container has", setup: made(unix.S_IFCHR, terminal), do: opened(node, unix.O_RDONLY),
		rules: anyFile, hook: "file_open", action: "read", subject: "desk/node", rule: "builtin/devices"},
	{id: "P28q", technique: "a device of every container is like any file", setup: made(unix.S_IFCHR, 1<<8|3), do: opened(node, unix.O_WRONLY),
		rules: anyFile, hook: "file_open", action: "write", subject: "desk/node", rule: "files", end: "ok"},
	{id: "P28r", technique: "another name for a device", do: made(unix.S_IFCHR, terminal),
		hook: "path_mknod", action: "write", subject: "desk/node", rule: "builtin/mknod", left: "desk/node"},
	{id: "P28s", technique: "another name for a device of every container is like any file", do: made(unix.S_IFCHR, 1<<8|3),
		hook: "path_mknod", action: "write", subject: "desk/node", rule: "work", end: "ok"},
	{id: "P28t", technique: "another name for a device, where that is relaxed", do: made(unix.S_IFBLK, disk), rules: relaxedOnly,
		hook: "path_mknod", action: "write", subject: "desk/node", rule: "builtin/mknod", end: "ok"},
	{id: "P28u", technique: "receive a disk", setup: made(unix.S_IFBLK, disk), hand: func() (int, error) { return unix.Open(node, unix.O_RDONLY|unix.O_CLOEXEC, 0) },
		do: receive, rules: anyFile, hook: "file_receive", action: "read", subject: "desk/node", rule: "builtin/block_devices"},
	{id: "P24d", technique: "inherit a disk", setup: made(unix.S_IFBLK, disk), inherit: func() (int, error) { return unix.Open(node, unix.O_RDONLY|unix.O_CLOEXEC, 0) },
		do: readInherited, rules: anyFile, hook: "bprm_committing_creds", action: "read", subject: "desk/node", rule: "builtin/block_devices", end: "SIGKILL"},

	{id: "P28v", technique: "sysrq", do: opened("/proc/sysrq-trigger", unix.O_WRONLY),
		rules: anyFile, hook: "file_open", action: "write", subject: "/proc/sysrq-trigger", rule: "builtin/kernel_files"},
	{id: "P28w", technique: "another file of the node's in proc", do: opened("/proc/irq/default_smp_affinity", unix.O_WRONLY),
		rules: anyFile, hook: "file_open", action: "write", subject: "/proc/irq/default_smp_affinity", rule: "builtin/kernel_files"},
	{id: "P28x", technique: "a process's own files in proc are like any file", do: opened("/proc/self/oom_score_adj", unix.O_WRONLY),
		rules: anyFile, hook: "file_open", action: "write", rule: "files", end: "ok"},
	{id: "P28y", technique: "sysfs", do: opened("/sys/module/printk/parameters/time", unix.O_WRONLY),
		rules: anyFile, hook: "file_open", action: "write", subject: "/sys/module/printk/parameters/time", rule: "builtin/kernel_files"},
	{id: "P28z", technique: "sysfs, where that is relaxed", do: opened("/sys/module/printk/parameters/time", unix.O_WRONLY),
		rules: relaxedFiles, hook: "file_open", action: "write", subject: "/sys/module/printk/parameters/time", rule: "builtin/kernel_files", end: "ok"},
	{id: "P28aa", technique: "mode of a file of sysfs", do: func() error { return unix.Chmod("/sys/module/printk/parameters/time", 0o644) },
		rules: anyFile, hook: "path_chmod", action: "write", subject: "/sys/module/printk/parameters/time", rule: "builtin/kernel_files"},
	{id: "P28ab", technique: "times of a file of sysfs", do: func() error { return unix.Utimes("/sys/module/printk/parameters/time", make([]unix.Timeval, 2)) },
		rules: anyFile, hook: "inode_setattr", action: "write", subject: "/sys/module/printk/parameters/time", rule: "builtin/kernel_files"},
	{id: "P28ac", technique: "securityfs", do: opened("/sys/kernel/security/lsm", unix.O_WRONLY),
		rules: anyFile, hook: "file_open", action: "write", subject: "/sys/kernel/security/lsm", rule: "builtin/kernel_files"},
	{id: "P28ad", technique: "what others do, in debugfs", setup: mountOther("debugfs"), do: opened(other, unix.O_RDONLY),
		rules: anyFile, hook: "file_open", action: "read", subject: "other", rule: "builtin/kernel_files", lacks: noFileSystem("debugfs")},
	{id: "P28ae", technique: "configfs", setup: mountOther("configfs"), do: func() error { return unix.Chmod(other, 0o755) },
		rules: anyFile, hook: "path_chmod", action: "write", subject: "other", rule: "builtin/kernel_files", lacks: noFileSystem("configfs")},
	{id: "P28af", technique: "what the kernel keeps of crashes", setup: mountOther("pstore"), do: opened(other, unix.O_RDONLY),
		rules: anyFile, hook: "file_open", action: "read", subject: "other", rule: "builtin/kernel_files", lacks: noFileSystem("pstore")},

	{id: "A1a", technique: "list pinned objects", do: opened("/sys/fs/bpf", unix.O_RDONLY|unix.O_DIRECTORY),
		rules: relaxedFiles, hook: "file_open", action: "read", subject: "/sys/fs/bpf", rule: "builtin/bpffs"},
	{id: "A1b", technique: "remove a directory of pinned objects", setup: pins, do: func() error { return unix.Rmdir(pinned) },
		rules: relaxedFiles, hook: "path_rmdir", action: "delete", subject: pinned, rule: "builtin/bpffs"},
	{id: "A1c", technique: "rename a directory of pinned objects", setup: pins, do: func() error {
		return errors.Join(unix.Rename(pinned, pinned+"2"), unix.Rename(pinned+"2", pinned))
	}, rules: relaxedFiles, hook: "path_rename", action: "write", subject: pinned, rule: "builtin/bpffs"},
	{id: "A1d", technique: "make a place for pinned objects", do: func() error {
		return errors.Join(unix.Mkdir(pinned+"2", 0o700), prepare(unix.Rmdir(pinned+"2")))
	}, rules: relaxedFiles, hook: "path_mkdir", action: "write", subject: pinned + "2", rule: "builtin/bpffs"},
	{id: "A1e", technique: "pinned objects of a file system mounted elsewhere", setup: mountOther("bpf"), do: opened(other, unix.O_RDONLY),
		rules: relaxedFiles, hook: "file_open", action: "read", subject: "other", rule: "builtin/bpffs"},
	{id: "A3a", technique: "trace what others do", do: opened("/sys/kernel/tracing/trace_pipe", unix.O_RDONLY),
		rules: anyFile, hook: "file_open", action: "read", subject: "/sys/kernel/tracing/trace_pipe", rule: "builtin/kernel_files", lacks: noTracefs},
	{id: "A3b", technique: "a probe by tracefs", do: opened("/sys/kernel/tracing/kprobe_events", unix.O_WRONLY|unix.O_APPEND),
		rules: anyFile, hook: "file_open", action: "write", subject: "/sys/kernel/tracing/kprobe_events", rule: "builtin/kernel_files", lacks: noTracefs},
}

const (
	pinned = "/sys/fs/bpf/escapes"
	other  = root + "/other"
)

// pins makes a directory on the file system of pinned objects.
func pins() error {
	if err := os.RemoveAll(pinned); err != nil {
		return err
	}
	return os.Mkdir(pinned, 0o700)
}

// mountOther mounts a file system without a device at other.
func mountOther(kind string) func() error {
	return func() error {
		return errors.Join(os.Mkdir(other, 0o700), unix.Mount(kind, other, kind, 0, ""))
	}
}

// readLog asks for the kernel's log without a file.
func readLog() error {
	_, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, make([]byte, 16))
	return err
}

// noDevice says that the kernel has no driver for a character device.
func noDevice(dev int) func() string {
	return func() string {
		name := fmt.Sprintf("/dev/.escape-%d", os.Getpid())
		if err := unix.Mknod(name, unix.S_IFCHR|0o600, dev); err != nil {
			return "a node in /dev: " + err.Error()
		}
		if err := errors.Join(open(name, unix.O_RDONLY), os.Remove(name)); err != nil {
			return fmt.Sprintf("device %d:%d: %v", dev>>8, dev&0xff, err)
		}
		return ""
	}
}

func noFileSystem(name string) func() string {
	return func() string {
		b, err := os.ReadFile("/proc/filesystems")
		if err == nil && strings.Contains(string(b), "\t"+name+"\n") {
			return ""
		}
		return "file system " + name
	}
}

func noTracefs() string {
	if _, err := os.Stat("/sys/kernel/tracing/kprobe_events"); err != nil {
		return "tracing of its functions: " + err.Error()
	}
	return ""
}

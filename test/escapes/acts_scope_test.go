package escapes

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownCgroups is where tasks are moved between cgroups.
const ownCgroups = "/sys/fs/cgroup"

// apart reads the key with a namespace of its own.
func apart(flag int) func() error {
	return func() error {
		runtime.LockOSThread()
		if err := unix.Unshare(flag); err != nil {
			return prepare(err)
		}
		return open(key, unix.O_RDONLY)
	}
}

// bornElsewhere forks into the root cgroup.
func bornElsewhere() error {
	dir, err := unix.Open(ownCgroups, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return prepare(err)
	}
	// struct clone_args of include/uapi/linux/sched.h, with CLONE_INTO_CGROUP.
	args := [11]uint64{0: 0x200000000, 4: uint64(unix.SIGCHLD), 10: uint64(dir)}
	pid, _, no := syscall.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if no == 0 && pid == 0 {
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	if no != 0 {
		return no
	}
	_, err = unix.Wait4(int(pid), nil, 0, nil)
	return prepare(err)
}

// scopeActs are the rows of scope, cgroups, namespaces and start-up.
var scopeActs = []escape{
	{id: "S1a", technique: "a mount namespace of its own", do: apart(unix.CLONE_NEWNS),
		hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "S1b", technique: "a PID namespace of its own", do: apart(unix.CLONE_NEWPID),
		hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "S1c", technique: "a cgroup namespace of its own", do: apart(unix.CLONE_NEWCGROUP),
		hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "S2", technique: "share the host's PID namespace", test: "pkg/loader TestStartSequences"},
	{id: "S3", technique: "reuse of cgroup ids: cgroups that come and go", test: "pkg/loader TestCgroupChurn"},
	{id: "S4a", technique: "move to a child cgroup", test: "pkg/loader TestBindInherit"},
	{id: "S4b", technique: "make a cgroup", do: func() error {
		dir := fmt.Sprintf("%s/made-%d", ownCgroups, os.Getpid())
		if err := unix.Mkdir(dir, 0o755); err != nil {
			return err
		}
		return prepare(unix.Rmdir(dir))
	}, rules: anyFile, hook: "path_mkdir", action: "write", rule: "builtin/cgroupfs"},
	{id: "S5", technique: "leave the cgroup", do: func() error { return open(ownCgroups+"/cgroup.procs", unix.O_WRONLY) },
		rules: anyFile, hook: "file_open", action: "write", subject: ownCgroups + "/cgroup.procs", rule: "builtin/cgroupfs"},
	{id: "S6a", technique: "leave it through a descriptor opened earlier", test: "pkg/loader TestLeaveByDescriptor"},
	{id: "S6b", technique: "be moved by somebody else, also to an exempt cgroup", test: "pkg/loader TestSticky"},
	{id: "S7", technique: "be born into another cgroup", do: bornElsewhere,
		hook: "task_alloc", action: "system", rule: "builtin/cgroupfs"},
	{id: "S8", technique: "setns by a pidfd, also one's own", test: "pkg/loader TestNamespaces"},
	{id: "S9", technique: "a user namespace, for capabilities of its own", do: func() error {
		return withChild(unix.CLONE_NEWUSER, func(int) error { return nil })
	}, hook: "userns_create", action: "system", rule: "builtin/userns"},
	{id: "S10", technique: "act before the gate is armed", test: "pkg/loader TestFirstAct"},
	{id: "S11a", technique: "hide in the runtime's steps; double fork; exec by another thread", test: "pkg/loader TestStartSequences"},
	{id: "S11b", technique: "run on the host's root", test: "pkg/loader TestBindContainer"},
	{id: "S12", technique: "static, init, sidecar and ephemeral containers, kubectl exec, probes",
		reason: "there are no pods in this version; what starts below a bound cgroup is bound: S4a"},
	{id: "S13a", technique: "be already running when the policy comes", test: "pkg/loader TestArmExisting"},
	{id: "S13b", technique: "fork away from what looks for running tasks", test: "pkg/loader TestArmForkChain"},
	{id: "S14", technique: "remove the label at run time",
		reason: "there are no pods in this version; the end of a binding frees no running task: S6b"},
	{id: "S15", technique: "a pod cgroup whose labels have not arrived", reason: "there are no pods in this version"},
	{id: "S16", technique: "more cgroups than the table holds", test: "pkg/loader TestBindingsFull"},
	{id: "S17", technique: "a node without unified cgroup v2", test: "pkg/cgroup TestMount"},
	{id: "S18", technique: "a socket from before, or from another cgroup", test: "pkg/loader TestSocketFromBefore"},
}

package escapes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// relaxed is the policy without the built-in denials of mounts and roots, so
// that what is behind them shows.
const relaxed = rules + "builtin: {mount: allow, pivot_root: allow, chroot: allow, userns: allow, ptrace: allow}\n"

// mountActs are the rows of roots, mounts and mount namespaces.
var mountActs = []escape{
	{id: "P1", technique: "chroot", do: func() error { return unix.Chroot(root + "/secret") },
		hook: "path_chroot", action: "system", rule: "builtin/chroot"},
	{id: "P1a", technique: "chroot, where it is relaxed, then open by the shortened name", rules: relaxed, do: func() error {
		if err := unix.Chroot(root + "/secret"); err != nil {
			return prepare(err)
		}
		return open("/key", unix.O_RDONLY)
	}, hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P1b", technique: "chroot in a chroot", rules: relaxed, setup: func() error {
		return os.WriteFile(root+"/secret/dir/file", nil, 0o644)
	}, do: func() error {
		if err := errors.Join(unix.Chroot(root+"/secret"), unix.Chroot("/dir")); err != nil {
			return prepare(err)
		}
		return open("/file", unix.O_RDONLY)
	}, hook: "file_open", action: "read", subject: "secret/dir/file", rule: "no-secret"},
	{id: "P1c", technique: "directory held from before the chroot", rules: relaxed, do: func() error {
		fd, err := unix.Open(root+"/secret", unix.O_PATH, 0)
		if err = errors.Join(err, unix.Chroot(root+"/desk")); err != nil {
			return prepare(err)
		}
		return openat(fd, "key")
	}, hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},
	{id: "P1d", technique: "climb out of a chroot", rules: relaxed, do: func() error {
		if err := errors.Join(unix.Chdir(root+"/desk"), unix.Chroot(root+"/desk/dir")); err != nil {
			return prepare(err)
		}
		return open("../secret/key", unix.O_RDONLY)
	}, hook: "file_open", action: "read", subject: "secret/key", rule: "no-secret"},

	{id: "P7a", technique: "bind mount over an allowed name", do: func() error {
		return unix.Mount(root+"/secret", root+"/desk/dir", "", unix.MS_BIND, "")
	}, hook: "sb_mount", action: "system", rule: "builtin/mount"},
	{id: "P7b", technique: "remount", setup: func() error { return tmpfs("look/dir", unix.MS_RDONLY) }, do: func() error {
		return unix.Mount("", root+"/look/dir", "", unix.MS_REMOUNT, "")
	}, hook: "sb_mount", action: "system", rule: "builtin/mount"},
	{id: "P7c", technique: "unmount what hides a directory", setup: func() error { return bind("desk/dir", "secret/dir") }, do: func() error {
		return unix.Unmount(root+"/secret/dir", 0)
	}, hook: "sb_umount", action: "system", rule: "builtin/mount"},
	{id: "P7d", technique: "open_tree and move_mount", do: func() error {
		fd, err := cloneTree("secret")
		if err != nil {
			return prepare(err)
		}
		return unix.MoveMount(fd, "", unix.AT_FDCWD, root+"/desk/dir", unix.MOVE_MOUNT_F_EMPTY_PATH)
	}, hook: "move_mount", action: "system", rule: "builtin/mount"},
	{id: "P7e", technique: "fspick and fsconfig", setup: func() error { return tmpfs("look/dir", unix.MS_RDONLY) }, do: func() error {
		fd, err := unix.Fspick(unix.AT_FDCWD, root+"/look/dir", unix.FSPICK_CLOEXEC)
		if err = errors.Join(err, unix.FsconfigSetFlag(fd, "rw")); err != nil {
			return prepare(err)
		}
		return unix.FsconfigReconfigure(fd)
	}, hook: "sb_remount", action: "system", rule: "builtin/mount"},
	{id: "P7f", technique: "user namespace, in which one may mount", do: func() error {
		return withChild(unix.CLONE_NEWUSER, func(int) error { return nil })
	}, hook: "userns_create", action: "system", rule: "builtin/userns"},
	{id: "P7g", technique: "an allowed directory that is mounted at a denied name", setup: func() error { return bind("desk/dir", "secret/dir") },
		do:   func() error { return open(root+"/secret/dir/file", unix.O_RDONLY) },
		hook: "file_open", action: "read", subject: "secret/dir/file", rule: "no-secret"},
	{id: "P7h", technique: "a subPath whose source is renamed to an allowed name", setup: func() error {
		return errors.Join(bind("desk/dir", "secret/dir"), os.Rename(root+"/desk/dir", root+"/look/src"))
	}, do: func() error { return open(root+"/secret/dir/file", unix.O_RDONLY) },
		hook: "file_open", action: "read", subject: "secret/dir/file", rule: "no-secret"},
	{id: "P7i", technique: "a directory that was given as a mount is judged by that name", setup: func() error { return bind("secret", "look/dir") },
		do:   func() error { return open(root+"/look/dir/key", unix.O_RDONLY) },
		hook: "file_open", action: "read", subject: "look/dir/key", rule: "look", end: "ok"},

	{id: "P8a", technique: "open below a mount that is attached nowhere", do: func() error {
		fd, err := cloneTree("look")
		if err != nil {
			return prepare(err)
		}
		return openat(fd, "file")
	}, hook: "file_open", action: "read", rule: "builtin/unresolvable"},
	{id: "P8b", technique: "fsopen and fsmount", do: func() error {
		fd, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
		if err != nil {
			return prepare(err)
		}
		if err := unix.FsconfigCreate(fd); err != nil { // asks the hook since 6.6
			return err
		}
		_, err = unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
		return err
	}, hook: "sb_kern_mount", action: "system", rule: "builtin/mount"},
	{id: "P8c", technique: "open below a received mount that is attached nowhere", hand: func() (int, error) { return cloneTree("look") },
		do: openReceived("file"), hook: "file_open", action: "read", rule: "builtin/unresolvable"},
	{id: "P9a", technique: "open below a mount that was lazily detached", setup: func() error { return bind("look", "desk/dir") }, hand: func() (int, error) {
		fd, err := unix.Open(root+"/desk/dir", unix.O_PATH|unix.O_CLOEXEC, 0)
		return fd, errors.Join(err, unix.Unmount(root+"/desk/dir", unix.MNT_DETACH))
	}, do: openReceived("file"), hook: "file_open", action: "read", rule: "builtin/unresolvable"},
	{id: "P9b", technique: "open below a mount of a dead namespace", hand: func() (int, error) { return inNamespace(root + "/look") },
		do: openReceived("file"), hook: "file_open", action: "read", rule: "builtin/unresolvable"},

	{id: "P10", technique: "pivot_root", rules: rules + "builtin: {chroot: allow}\n", setup: func() error {
		return errors.Join(tmpfs("desk/dir", 0), unix.Mount("", root+"/desk/dir", "", unix.MS_PRIVATE, ""),
			os.Mkdir(root+"/desk/dir/a", 0o755), tmpfs("desk/dir/a", 0), unix.Mount("", root+"/desk/dir/a", "", unix.MS_PRIVATE, ""),
			os.Mkdir(root+"/desk/dir/a/b", 0o755), tmpfs("desk/dir/a/b", 0), unix.Mount("", root+"/desk/dir/a/b", "", unix.MS_PRIVATE, ""),
			os.Mkdir(root+"/desk/dir/a/b/old", 0o755))
	}, do: func() error {
		runtime.LockOSThread()
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Chroot(root+"/desk/dir/a"), unix.Chdir("/")); err != nil {
			return prepare(err)
		}
		return unix.PivotRoot("b", "b/old")
	}, hook: "sb_pivotroot", action: "system", rule: "builtin/pivot_root"},

	{id: "P24a", technique: "inherit a file of a detached mount", setup: func() error { return bind("look", "desk/dir") }, inherit: func() (int, error) {
		fd, err := unix.Open(root+"/desk/dir/file", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return fd, errors.Join(err, unix.Unmount(root+"/desk/dir", unix.MNT_DETACH))
	}, do: readInherited, hook: "bprm_committing_creds", action: "read", rule: "builtin/inherited", end: "SIGKILL"},
	{id: "P24b", technique: "inherit a directory of another mount namespace", inherit: func() (int, error) { return inNamespace(root + "/look") },
		do:   func() error { return openat(inherited, "file") },
		hook: "bprm_committing_creds", action: "read", rule: "builtin/inherited", end: "SIGKILL"},
	{id: "P24c", technique: "inherit a file of the own namespace, and hand it to a mapping", do: func() error {
		_, err := unix.Mmap(held, 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	}, hook: "mmap_file", action: "write", subject: "look/file", rule: "default"},
	{id: "P24e", technique: "inherit a directory of another mount namespace, where the policy observes", rules: anyFile + "mode: observe\n",
		inherit: func() (int, error) { return inNamespace(root + "/look") },
		do:      func() error { return openat(inherited, "file") },
		hook:    "bprm_committing_creds", action: "read", rule: "builtin/inherited", end: "SIGKILL"},
	{id: "P25", technique: "a descriptor from before the policy, or before it became stricter",
		reason: "The decision is made at the open; reading on is no act that a hook judges. Mapping it writable or executable, truncating it and handing it on are."},

	{id: "P28a", technique: "the twin of a directory on a volume that no rule names", setup: func() error {
		return errors.Join(os.Mkdir(root+"/twin", 0o755), bind("look", "twin"))
	}, do: func() error { return open(root+"/twin/file", unix.O_RDONLY) },
		hook: "file_open", action: "read", subject: "twin/file", rule: "default"},
	{id: "P28b", technique: "the twin of a directory on an overlay", setup: func() error {
		return errors.Join(os.Mkdir(root+"/twin", 0o755), overlay("look", "twin"))
	}, do: func() error { return open(root+"/twin/file", unix.O_RDONLY) },
		hook: "file_open", action: "read", subject: "twin/file", rule: "default"},
	{id: "P28c", technique: "a message queue, which has no path", do: messageQueue,
		hook: "file_open", action: "write", rule: "builtin/message-queue"},
	{id: "P28d", technique: "a file system's own command that makes names", do: func() error {
		fd, err := unix.Open(root+"/look", unix.O_RDONLY, 0)
		if err != nil {
			return prepare(err)
		}
		_, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), 0x5000940e, 0) // BTRFS_IOC_SUBVOL_CREATE
		if no == unix.ENOTTY {                                               // it reached the file system, which is another one
			return nil
		}
		return no
	}, hook: "file_ioctl", action: "system", rule: "builtin/fs-ioctl"},

	{id: "P29a", technique: "an overlay's inner open of an allowed layer", setup: func() error { return overlay("desk", "secret/dir") },
		do:   func() error { return open(root+"/secret/dir/file", unix.O_RDONLY) },
		hook: "file_open", action: "read", subject: "secret/dir/file", rule: "no-secret"},
	{id: "P29b", technique: "an overlay's copying up", setup: func() error { return overlay("desk", "look/dir") },
		do:   func() error { return open(root+"/look/dir/file", unix.O_WRONLY) },
		hook: "file_open", action: "write", subject: "look/dir/file", rule: "default"},
	{id: "P29c", technique: "an overlay's copying up is the overlay's own business", setup: func() error { return overlay("secret", "desk/dir") },
		do:   func() error { return open(root+"/desk/dir/key", unix.O_RDWR) },
		hook: "file_open", action: "write", subject: "desk/dir/key", rule: "work", end: "ok"},
}

// unmountAll takes every mount below the tree away.
func unmountAll() error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var at []string
	for line := range strings.Lines(string(b)) {
		if p := strings.Fields(line)[4]; strings.HasPrefix(p, root+"/") {
			at = append(at, p)
		}
	}
	for _, p := range slices.Backward(at) {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("unmount %s: %w", p, err)
		}
	}
	return nil
}

func bind(from, to string) error {
	return unix.Mount(filepath.Join(root, from), filepath.Join(root, to), "", unix.MS_BIND, "")
}

func tmpfs(at string, flags uintptr) error {
	return unix.Mount("tmpfs", filepath.Join(root, at), "tmpfs", flags, "")
}

// overlay mounts one whose lower layer is a directory of the tree.
func overlay(lower, at string) error {
	over := root + "/over"
	for _, d := range []string{"upper", "desk"} {
		if err := os.MkdirAll(filepath.Join(over, d), 0o755); err != nil {
			return err
		}
	}
	return unix.Mount("overlay", filepath.Join(root, at), "overlay", 0,
		fmt.Sprintf("lowerdir=%s,upperdir=%[2]s/upper,workdir=%[2]s/desk", filepath.Join(root, lower), over))
}

func cloneTree(dir string) (int, error) {
	return unix.OpenTree(unix.AT_FDCWD, filepath.Join(root, dir), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
}

// inNamespace opens a directory in a mount namespace that ends with its thread.
func inNamespace(path string) (int, error) {
	type opened struct {
		fd  int
		err error
	}
	done := make(chan opened)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread ends here
		err := unix.Unshare(unix.CLONE_NEWNS)
		fd, oerr := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		done <- opened{fd, errors.Join(err, oerr)}
	}()
	o := <-done
	return o.fd, o.err
}

func openat(dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// received takes the descriptor that came over the socket.
func received() (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, prepare(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return -1, prepare(fmt.Errorf("%d messages, %w", len(messages), err))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, prepare(fmt.Errorf("%d descriptors, %w", len(fds), err))
	}
	return fds[0], nil
}

// openReceived opens below a directory that arrives, which is no act of its own: the descriptor gives no right.
func openReceived(name string) func() error {
	return func() error {
		fd, err := received()
		if err != nil {
			return err
		}
		return openat(fd, name)
	}
}

func readInherited() error {
	_, err := unix.Read(inherited, make([]byte, 1))
	return err
}

func messageQueue() error {
	name, err := unix.BytePtrFromString("escape")
	if err != nil {
		return prepare(err)
	}
	_, _, no := unix.Syscall6(unix.SYS_MQ_OPEN, pointer(name), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0)
	if _, _, gone := unix.Syscall(unix.SYS_MQ_UNLINK, pointer(name), 0, 0); gone != 0 {
		return prepare(gone)
	}
	if no != 0 {
		return no
	}
	return nil
}

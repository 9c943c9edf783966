package agent

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// imageRoot is an O_PATH descriptor of a container's root directory. Names are
// looked up as the container would: links in the image stay within it.
type imageRoot int

func (r imageRoot) open(path string, resolve uint64) (int, error) {
	return unix.Openat2(int(r), path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | resolve,
	})
}

// target opens a mount's target and makes it where it is missing, as a
// directory or an empty file, with the directories above.
func (r imageRoot) target(path string, dir bool, resolve uint64) (int, error) {
	fd, err := r.open(path, resolve)
	if !errors.Is(err, unix.ENOENT) || path == "/" {
		return fd, err
	}
	parent, err := r.target(filepath.Dir(path), true, resolve)
	if err != nil {
		return -1, err
	}
	defer closeFD(parent)
	if dir {
		err = unix.Mkdirat(parent, filepath.Base(path), 0o755)
	} else {
		err = unix.Mknodat(parent, filepath.Base(path), unix.S_IFREG|0o644, 0)
	}
	if err != nil {
		return -1, err
	}
	return r.open(path, resolve)
}

func (r imageRoot) mount(source, target, typ string, flags uintptr, data string, resolve uint64, dir bool) error {
	fd, err := r.target(target, dir, resolve)
	if err != nil {
		return fmt.Errorf("make %s in the root: %w", target, err)
	}
	defer closeFD(fd)
	if err := unix.Mount(source, fmt.Sprintf("/proc/self/fd/%d", fd), typ, flags, data); err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	return nil
}

// bind mounts a file or directory of the host. Only a device that is the
// volume itself can be opened as one.
func (r imageRoot) bind(v Volume) error {
	st, err := os.Stat(v.Source)
	if err != nil {
		return err
	}
	if err := r.mount(v.Source, v.Target, "", unix.MS_BIND|unix.MS_REC, "", 0, st.IsDir()); err != nil {
		return err
	}
	var attr uint64
	if st.Mode()&os.ModeDevice == 0 {
		attr = unix.MOUNT_ATTR_NODEV
	}
	if v.ReadOnly {
		attr |= unix.MOUNT_ATTR_RDONLY
	}
	if attr == 0 {
		return nil
	}
	fd, err := r.open(v.Target, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", v.Target, err)
	}
	defer closeFD(fd)
	if err := setAttr(fd, attr); err != nil {
		return fmt.Errorf("restrict mount %s: %w", v.Target, err)
	}
	return nil
}

// setAttr adds attributes to the mount whose root fd is, and to those below.
func setAttr(fd int, attr uint64) error {
	return unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attr})
}

func (r imageRoot) devLinks() error {
	dev, err := r.open("/dev", unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err
	}
	defer closeFD(dev)
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
	} {
		if err := unix.Symlinkat(target, dev, name); err != nil {
			return fmt.Errorf("link /dev/%s: %w", name, err)
		}
	}
	return nil
}

// refuseHost refuses a root that the gate could not tell from the host's: it
// arms a program once its root directory has another inode or another file
// system (super block) than the host's. So the host's root under another name
// is refused, and a btrfs subvolume beside the host's own, all of which have
// the same number.
func (r imageRoot) refuseHost() error {
	host, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open host root: %w", err)
	}
	defer closeFD(host)
	theirs, ino, err := superBlock(host)
	if err != nil {
		return err
	}
	ours, rino, err := superBlock(int(r))
	if err != nil {
		return err
	}
	if ours == theirs && ino == rino {
		return errors.New("the gate cannot tell it from the host's root directory; use another file system, an overlay, or no --root")
	}
	return nil
}

// superBlock returns the device of the file system below fd as mounts name it
// (stat's differs on btrfs), and the inode number.
func superBlock(fd int) (dev string, ino uint64, err error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_MNT_ID, &st); err != nil {
		return "", 0, fmt.Errorf("stat root: %w", err)
	}
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", 0, fmt.Errorf("read mounts: %w", err)
	}
	defer f.Close()
	id := strconv.FormatUint(st.Mnt_id, 10)
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if fields := strings.Fields(sc.Text()); len(fields) > 2 && fields[0] == id {
			return fields[2], st.Ino, nil
		}
	}
	return "", 0, errors.Join(fmt.Errorf("find mount %s in mountinfo", id), sc.Err())
}

func closeFD(fd int) { _ = unix.Close(fd) } // O_PATH: nothing can be lost

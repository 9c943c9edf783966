package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ContainerCommand is the hidden subcommand that runs ContainerInit.
const ContainerCommand = "run-init"

// containerEnv carries the container's description to its init.
const containerEnv = "SAFECLAW_CONTAINER"

// Volume is a directory or file of the host mounted into the container.
type Volume struct {
	Source, Target string
	ReadOnly       bool
}

// ParseVolume reads SOURCE:TARGET[:ro].
func ParseVolume(s string) (Volume, error) {
	p := strings.Split(s, ":")
	if len(p) < 2 || len(p) > 3 || p[0] == "" || !filepath.IsAbs(p[1]) || len(p) == 3 && p[2] != "ro" {
		return Volume{}, fmt.Errorf("volume %q is not SOURCE:/TARGET or SOURCE:/TARGET:ro", s)
	}
	v := Volume{Source: p[0], Target: filepath.Clean(p[1]), ReadOnly: len(p) == 3}
	if v.Target == "/" {
		return Volume{}, fmt.Errorf("volume %q would replace the root; give it to --root instead", s)
	}
	return v, nil
}

type containerSpec struct {
	Root     string
	Dir      string
	Volumes  []Volume
	Argv     []string
	UID, GID int
}

// ContainerInit is the first process of a pod-shaped container: it builds the
// mounts, pivots into the root and becomes the program. It returns only where
// that failed, after telling the parent why.
func ContainerInit() error {
	status := os.NewFile(3, "status")
	if err := keepDescriptors(); err != nil {
		return err
	}
	step, err := containerInit()
	rep := startReport{Step: step, Text: err.Error()}
	if errors.As(err, &rep.Errno); errors.Is(err, exec.ErrNotFound) {
		rep.Errno = syscall.ENOENT
	}
	b, merr := json.Marshal(rep)
	if merr == nil {
		_, merr = status.Write(b)
	}
	return errors.Join(fmt.Errorf("%s: %w", step, err), merr)
}

func containerInit() (step string, err error) {
	var s containerSpec
	if err := json.Unmarshal([]byte(os.Getenv(containerEnv)), &s); err != nil {
		return "read container description", err
	}
	if err := os.Unsetenv(containerEnv); err != nil {
		return "clear container description", err
	}
	if err := buildMounts(&s); err != nil {
		return "prepare container root " + s.Root, err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return "pivot into container root", err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return "detach the host's root", err
	}
	if s.Dir == "" {
		s.Dir = "/"
	}
	if err := os.Chdir(s.Dir); err != nil {
		return "enter working directory", err
	}
	if s.UID != 0 || s.GID != 0 {
		if err := errors.Join(unix.Setgroups(nil), unix.Setresgid(s.GID, s.GID, s.GID), unix.Setresuid(s.UID, s.UID, s.UID)); err != nil {
			return "become user", err
		}
	}
	path, err := exec.LookPath(s.Argv[0])
	if err != nil {
		return "find " + s.Argv[0], err
	}
	return "execute " + path, syscall.Exec(path, s.Argv, os.Environ())
}

// buildMounts leaves the working directory at the new root, ready to pivot. The
// image is not trusted: no name in it leads out of it, and its device nodes are
// no way to the devices.
func buildMounts(s *containerSpec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(s.Root, s.Root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind root: %w", err)
	}
	fd, err := unix.Open(s.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open root: %w", err)
	}
	root := imageRoot(fd)
	defer closeFD(fd)
	if err := root.refuseHost(); err != nil {
		return err
	}
	if err := setAttr(fd, unix.MOUNT_ATTR_NODEV); err != nil {
		return fmt.Errorf("forbid devices on root: %w", err)
	}
	const plain = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	for _, m := range []struct {
		source, target, typ string
		flags               uintptr
		data                string
	}{
		{"proc", "/proc", "proc", plain, ""},
		{"sysfs", "/sys", "sysfs", plain | unix.MS_RDONLY, ""},
		{"tmpfs", "/dev", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_STRICTATIME, "mode=755,size=65536k"},
		{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"},
		{"shm", "/dev/shm", "tmpfs", plain, "mode=1777,size=65536k"},
	} {
		// A link here would put /proc below a name that the policy allows.
		if err := root.mount(m.source, m.target, m.typ, m.flags, m.data, unix.RESOLVE_NO_SYMLINKS, true); err != nil {
			return err
		}
	}
	for _, n := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := root.bind(Volume{Source: "/dev/" + n, Target: "/dev/" + n}); err != nil {
			return err
		}
	}
	if err := root.devLinks(); err != nil {
		return err
	}
	for _, v := range s.Volumes {
		if err := root.bind(v); err != nil {
			return err
		}
	}
	return os.Chdir(s.Root)
}

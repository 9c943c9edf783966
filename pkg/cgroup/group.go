// Package cgroup makes and finds cgroups of the unified (v2) hierarchy. It
// only touches the file system.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrNoUnified is returned where no cgroup v2 hierarchy is mounted.
var ErrNoUnified = errors.New("no cgroup v2 hierarchy is mounted")

// Mount returns where the unified hierarchy is mounted, from a mountinfo file
// (proc(5)), normally /proc/self/mountinfo.
func Mount(mountinfo string) (string, error) {
	f, err := os.Open(mountinfo)
	if err != nil {
		return "", fmt.Errorf("read mounts: %w", err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		left, right, ok := strings.Cut(sc.Text(), " - ")
		fields := strings.Fields(left)
		if ok && strings.HasPrefix(right, "cgroup2 ") && len(fields) > 4 && fields[3] == "/" {
			return fields[4], nil
		}
	}
	return "", ErrNoUnified
}

// Group is one cgroup directory.
type Group struct{ Dir string }

// Make creates a cgroup below a mount.
func Make(mount, name string) (*Group, error) {
	g := &Group{Dir: filepath.Join(mount, name)}
	if err := os.Mkdir(g.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make cgroup: %w", err)
	}
	return g, nil
}

// ID returns the cgroup's id, which is the inode number of its directory.
func (g *Group) ID() (uint64, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(g.Dir, &st); err != nil {
		return 0, fmt.Errorf("stat cgroup: %w", err)
	}
	return st.Ino, nil
}

// Open opens the directory, for clone3's CLONE_INTO_CGROUP.
func (g *Group) Open() (*os.File, error) {
	f, err := os.Open(g.Dir)
	if err != nil {
		return nil, fmt.Errorf("open cgroup: %w", err)
	}
	return f, nil
}

// Enter moves a thread group, named by a pid, into the cgroup.
func (g *Group) Enter(pid int) error {
	if err := os.WriteFile(filepath.Join(g.Dir, "cgroup.procs"), fmt.Appendf(nil, "%d", pid), 0); err != nil {
		return fmt.Errorf("enter cgroup: %w", err)
	}
	return nil
}

// Kill sends SIGKILL to every task in the cgroup and below (cgroup.kill, since
// 5.14) and waits until none is left, at most for the given time.
func (g *Group) Kill(wait time.Duration) error {
	err := os.WriteFile(filepath.Join(g.Dir, "cgroup.kill"), []byte("1"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	for end := time.Now().Add(wait); ; time.Sleep(2 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(g.Dir, "cgroup.events"))
		if errors.Is(err, fs.ErrNotExist) || strings.Contains(string(b), "populated 0") {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("kill cgroup %s: tasks are left after %v", g.Dir, wait)
		}
	}
}

// Populated says whether a task is in the cgroup or below. There is none in a
// cgroup that is gone.
func (g *Group) Populated() (bool, error) {
	b, err := os.ReadFile(filepath.Join(g.Dir, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look into cgroup: %w", err)
	}
	return !strings.Contains(string(b), "populated 0"), nil
}

// Remove removes the cgroup and the empty cgroups below it.
func (g *Group) Remove() error {
	var dirs []string
	err := filepath.WalkDir(g.Dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, p)
		}
		return nil
	})
	for i := len(dirs) - 1; i >= 0 && err == nil; i-- {
		if err = os.Remove(dirs[i]); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	return nil
}

// Children lists the cgroups directly below a mount whose names have a prefix.
func Children(mount, prefix string) ([]*Group, error) {
	es, err := os.ReadDir(mount)
	if err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	var out []*Group
	for _, e := range es {
		if e.IsDir() && strings.HasPrefix(e.Name(), prefix) {
			out = append(out, &Group{Dir: filepath.Join(mount, e.Name())})
		}
	}
	return out, nil
}

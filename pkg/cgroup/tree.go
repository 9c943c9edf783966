package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Tree is a cgroup v2 hierarchy, or the part of one that is to be looked at:
// where a node runs in a container, or its kubelet below a cgroupRoot.
type Tree struct {
	Root string // its directory
}

// Dir is the cgroup of a pod or of a container.
type Dir struct {
	Place
	Path string
	ID   uint64 // of the cgroup
}

// Pods lists the cgroups of all pods and of their containers, a pod's before
// its containers'. A pod may have several: a runtime that was configured for
// the other driver than the kubelet makes its containers elsewhere. What comes
// or goes meanwhile may be missing: see Watch.
func (t Tree) Pods() ([]Dir, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	var out []Dir
	err := t.walk(t.Root, func(path string, p Place, ok bool) (bool, error) {
		if !ok {
			return true, nil
		}
		id, err := (&Group{Dir: path}).ID()
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		out = append(out, Dir{Place: p, Path: path, ID: id})
		return p.ContainerID == "", nil
	})
	return out, err
}

// Pod lists the cgroups of one pod, named by its UID.
func (t Tree) Pod(uid string) ([]Dir, error) {
	all, err := t.Pods()
	var out []Dir
	for _, d := range all {
		if sameUID(d.PodUID, uid) {
			out = append(out, d)
		}
	}
	return out, err
}

// check reports a root that is not there: nothing would ever be found.
func (t Tree) check() error {
	if _, err := os.Stat(t.Root); err != nil {
		return fmt.Errorf("look for pods: %w", err)
	}
	return nil
}

// Below lists the numbers of the cgroups below a directory, those above first.
func Below(dir string) ([]uint64, error) {
	es, err := os.ReadDir(dir)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	var out []uint64
	for _, e := range es {
		if !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		id, err := (&Group{Dir: path}).ID()
		if gone(err) {
			continue
		}
		if err != nil {
			return out, err
		}
		more, err := Below(path)
		out = append(append(out, id), more...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// sameUID compares UIDs of which one was read from a slice's name: those of
// static pods may hold underscores that stood for themselves.
func sameUID(a, b string) bool {
	return a == b || strings.ReplaceAll(a, "_", "-") == strings.ReplaceAll(b, "_", "-")
}

// walk calls fn for each directory in which it makes sense to look for pods,
// those above first; fn says whether to look further below. What is in a pod
// and no container's is nobody's: it goes with the pod.
func (t Tree) walk(dir string, fn func(path string, p Place, ok bool) (bool, error)) error {
	rel, err := filepath.Rel(t.Root, dir)
	if err != nil {
		return fmt.Errorf("walk cgroups: %w", err)
	}
	p, ok := Locate(rel)
	if ok && p.ContainerID == "" && !isPod(filepath.Base(dir)) {
		return nil
	}
	deeper, err := fn(dir, p, ok)
	if err != nil || !deeper {
		return err
	}
	es, err := os.ReadDir(dir)
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list cgroups: %w", err)
	}
	for _, e := range es {
		if !e.IsDir() {
			continue
		}
		if err := t.walk(filepath.Join(dir, e.Name()), fn); err != nil {
			return err
		}
	}
	return nil
}

func isPod(name string) bool {
	_, ok := podName(name)
	return ok
}

// gone reports whether a cgroup was removed while it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV)
}

package loader

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// hostNetns is the number of the host's network namespace, read from a process
// that lives in it: proc is its directory, such as /proc/self or /proc/1.
func hostNetns(proc string) (uint32, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(proc+"/ns/net", &st); err != nil {
		return 0, fmt.Errorf("stat host network namespace: %w", err)
	}
	return uint32(st.Ino), nil
}

// findHostRoot has the kernel side find the host's root directory among the
// descriptors of this process. proc as in hostNetns.
func (g *Gate) findHostRoot(proc string) error {
	root, err := os.Open(proc + "/root/.")
	if err != nil {
		return fmt.Errorf("open host root: %w", err)
	}
	defer root.Close()
	fd, err := g.variable(safeclawVarHostRootFd)
	if err != nil {
		return err
	}
	host, err := g.variable(safeclawVarHostRoot)
	if err != nil {
		return err
	}
	if err := fd.Set(uint32(root.Fd())); err != nil {
		return fmt.Errorf("find host root: %w", err)
	}
	if _, err := g.iterate(safeclawProgFindHostRoot); err != nil {
		return fmt.Errorf("find host root: %w", err)
	}
	var found uint64
	if err := host.Get(&found); err != nil {
		return fmt.Errorf("find host root: %w", err)
	}
	if found == 0 {
		return errors.New("find host root: no descriptor of this process leads to it")
	}
	return nil
}

package loader

import (
	"os"
	"syscall"
	"testing"
)

func TestHostNetns(t *testing.T) {
	var st syscall.Stat_t
	if err := syscall.Stat("/proc/self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	if n, err := hostNetns("/proc/self"); err != nil || uint64(n) != st.Ino {
		t.Errorf("%d, %v; want %d", n, err, st.Ino)
	}
	if _, err := hostNetns(t.TempDir()); err == nil {
		t.Error("no error without a process")
	}
}

// TestFindHostRoot: the directory is found whatever process shows it, and a
// process that has none is an error.
func TestFindHostRoot(t *testing.T) {
	g := sharedGate(t)
	read := func() (v uint64) {
		t.Helper()
		if err := g.coll.Variables[safeclawVarHostRoot].Get(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	self := read()
	if err := g.findHostRoot("/proc/1"); err != nil || read() != self || self == 0 {
		t.Errorf("by /proc/1 %x, by /proc/self %x: %v", read(), self, err)
	}
	dir := t.TempDir()
	if err := os.Symlink("/tmp", dir+"/root"); err != nil {
		t.Fatal(err)
	}
	if err := g.findHostRoot(dir); err != nil || read() == self {
		t.Errorf("another directory is taken for the same: %v", err)
	}
	if err := g.findHostRoot(t.TempDir()); err == nil {
		t.Error("found without a root")
	}
	if err := g.findHostRoot("/proc/self"); err != nil || read() != self {
		t.Errorf("found %x: %v", read(), err)
	}
}

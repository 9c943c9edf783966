package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMount(t *testing.T) {
	const (
		root    = "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"
		unified = "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
		hybrid  = "32 24 0:28 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755\n" +
			"33 32 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n" +
			"34 32 0:31 / /sys/fs/cgroup/systemd rw,nosuid shared:10 - cgroup cgroup rw,xattr,name=systemd\n"
		v1 = "34 32 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:10 - cgroup cgroup rw,memory\n"
		// A container runtime binds a part of the hierarchy over the mount.
		part = "40 24 0:30 /kubepods/pod1 /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
	)
	for _, tt := range []struct{ name, mountinfo, want string }{
		{"v2", root + unified, "/sys/fs/cgroup"},
		{"hybrid", root + hybrid, "/sys/fs/cgroup/unified"},
		{"v1 alone", root + v1, ""},
		{"none", root, ""},
		{"empty", "", ""},
		{"a part of it", root + part, ""},
		{"a part of it first", root + part + strings.ReplaceAll(unified, "/sys/fs/cgroup", "/host/cgroup"), "/host/cgroup"},
		{"no optional fields", "35 24 0:30 / /cg rw - cgroup2 none rw\n", "/cg"},
		{"several optional fields", "35 24 0:30 / /cg rw shared:1 master:2 propagate_from:3 - cgroup2 none rw\n", "/cg"},
		{"name only looks like it", "35 24 0:30 / /cg rw - cgroup2fs none rw\n35 24 0:30 / /cg2 rw - tmpfs cgroup2 rw\n", ""},
		{"cut off", "35 24 0:30 /", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "mountinfo")
			if err := os.WriteFile(name, []byte(tt.mountinfo), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := Mount(name)
			if got != tt.want || (tt.want == "") != errors.Is(err, ErrNoUnified) {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
	if _, err := Mount(filepath.Join(t.TempDir(), "none")); err == nil || errors.Is(err, ErrNoUnified) {
		t.Errorf("no mountinfo at all: %v", err)
	}
}

// TestGroup goes through a cgroup's life on an ordinary directory, where the
// kernel's files are missing or made by the test.
func TestGroup(t *testing.T) {
	mount := t.TempDir()
	g, err := Make(mount, "safeclaw-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Make(mount, "safeclaw-1"); !errors.Is(err, os.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	id, err := g.ID()
	if err != nil || id == 0 {
		t.Errorf("id %d, %v", id, err)
	}
	other, err := Make(mount, "other")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := other.ID(); err != nil || n == id {
		t.Errorf("both have the id %d, %v", n, err)
	}
	for _, d := range []string{"a", "a/b"} {
		if err := os.Mkdir(filepath.Join(g.Dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(mount, "safeclaw-file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	gs, err := Children(mount, "safeclaw-")
	if err != nil || len(gs) != 1 || gs[0].Dir != g.Dir {
		t.Errorf("children %v, %v", gs, err)
	}
	f, err := g.Open()
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(g.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	// Whoever removed it first: it is gone.
	if err := g.Remove(); err != nil {
		t.Errorf("removed twice: %v", err)
	}
	for name, err := range map[string]error{
		"Enter": g.Enter(1),
		"ID":    func() error { _, err := g.ID(); return err }(),
		"Open":  func() error { _, err := g.Open(); return err }(),
	} {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s of what is gone: %v", name, err)
		}
	}
	if _, err := Children(g.Dir, ""); err == nil {
		t.Error("children of what is gone")
	}
}

func TestKillWaits(t *testing.T) {
	g := &Group{Dir: t.TempDir()}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(g.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := (&Group{Dir: g.Dir + "/gone"}).Kill(time.Hour); err != nil {
		t.Errorf("killing what is gone: %v", err)
	}
	write("cgroup.kill", "")
	write("cgroup.events", "populated 1\nfrozen 0\n")
	if err := g.Kill(20 * time.Millisecond); err == nil {
		t.Error("tasks are left, and it is no error")
	}
	if b, err := os.ReadFile(filepath.Join(g.Dir, "cgroup.kill")); err != nil || string(b) != "1" {
		t.Errorf("cgroup.kill holds %q, %v", b, err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Kill(time.Hour) }()
	write("cgroup.events", "populated 0\nfrozen 0\n")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

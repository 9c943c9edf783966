package loader

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fakeProc is a directory like /proc/1 with a mountinfo of its own.
func fakeProc(t *testing.T, mountinfo string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"root", "ns"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"mountinfo": mountinfo, "ns/net": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func inode(t *testing.T, name string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(name, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestReadHostFacts(t *testing.T) {
	for _, tt := range []struct {
		name, mountinfo string
		dev             uint32
		err             string
	}{
		{"ext4", "21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n22 21 0:20 / /proc rw - proc proc rw\n", 8<<20 | 2, ""},
		// stat gives another device there; only mountinfo has the super block's.
		{"btrfs", "30 1 0:27 /@ / rw,noatime shared:1 - btrfs /dev/nvme0n1p2 rw,subvol=/@\n", 27, ""},
		{"large numbers", "21 1 259:1048575 / / rw - xfs /dev/x rw\n", 259<<20 | 1048575, ""},
		{"mounted over", "1 1 0:2 / / rw - rootfs rootfs rw\n21 1 8:1 / / rw - ext4 /dev/sda1 rw\n", 8<<20 | 1, ""},
		{"root is not first", "22 21 0:20 / /proc rw - proc proc rw\n21 1 8:2 / / rw - ext4 /dev/sda2 rw\n", 8<<20 | 2, ""},
		{"a bind of a directory named /", "21 1 8:2 / /mnt rw - ext4 /dev/sda2 rw\n", 0, "find root mount"},
		{"empty", "", 0, "find root mount"},
		{"short lines", "21 1\n\n", 0, "find root mount"},
		{"no numbers", "21 1 x:y / / rw - ext4 /dev/sda2 rw\n", 0, "parse mountinfo device"},
		{"no colon", "21 1 82 / / rw - ext4 /dev/sda2 rw\n", 0, "parse mountinfo device"},
		{"too large", "21 1 8:1048576 / / rw - ext4 /dev/sda2 rw\n", 0, "parse mountinfo device"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := fakeProc(t, tt.mountinfo)
			got, err := readHostFacts(dir)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := hostFacts{rootIno: inode(t, dir+"/root"), rootDev: tt.dev, netns: uint32(inode(t, dir+"/ns/net"))}
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
	for _, missing := range []string{"root", "mountinfo", "ns/net"} {
		dir := fakeProc(t, "21 1 8:2 / / rw - ext4 /dev/sda2 rw\n")
		if err := os.Remove(filepath.Join(dir, missing)); err != nil {
			t.Fatal(err)
		}
		if _, err := readHostFacts(dir); err == nil {
			t.Errorf("no error without %s", missing)
		}
	}
	if _, err := Load(t.Context(), Options{HostProc: t.TempDir()}); err == nil {
		t.Error("loaded without knowing the host")
	}
}

// TestProcSelf: where mountinfo and stat speak of the same thing they agree.
func TestProcSelf(t *testing.T) {
	h, err := readHostFacts("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	if h.rootIno != inode(t, "/") || h.netns == 0 || h.rootDev == 0 {
		t.Errorf("%+v", h)
	}
}

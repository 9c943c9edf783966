package agent

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTargetStaysInRoot(t *testing.T) {
	host, dir := t.TempDir(), t.TempDir()
	for link, to := range map[string]string{"data": host, "up": "../../../../../../../.." + host, "magic": "/proc/self/cwd", "ok": "/real", "gone": "/nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	for _, c := range []struct {
		path    string
		dir     bool
		resolve uint64
		made    string // below dir, where the target must be; empty: refused
	}{
		{"/new/sub", true, 0, "new/sub"},
		{"/new/file", false, 0, "new/file"},
		{"/ok/file", false, 0, "real/file"},
		{"/real", true, unix.RESOLVE_NO_SYMLINKS, "real"},
		{"/ok", true, unix.RESOLVE_NO_SYMLINKS, ""},
		{"/data", true, unix.RESOLVE_NO_SYMLINKS, ""},
		{"/data/made", true, 0, ""},
		{"/up/made", false, 0, ""},
		{"/gone", false, 0, ""},
		{"/magic/x", false, 0, ""},
		{"/../../esc", true, 0, "esc"},
	} {
		got, err := imageRoot(fd).target(c.path, c.dir, c.resolve)
		if err == nil {
			defer closeFD(got)
		}
		if (err == nil) != (c.made != "") {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		if err != nil {
			continue
		}
		var a, b unix.Stat_t
		if err := unix.Fstat(got, &a); err != nil {
			t.Fatal(err)
		}
		if err := unix.Stat(filepath.Join(dir, c.made), &b); err != nil || a.Ino != b.Ino {
			t.Errorf("%s: not %s: %v", c.path, c.made, err)
		}
	}
	if es, err := os.ReadDir(host); err != nil || len(es) > 0 {
		t.Errorf("made outside: %v %v", es, err)
	}
}

func TestVolumeTargetRoot(t *testing.T) {
	for s, ok := range map[string]bool{"/a:/b": true, "/a:/b:ro": true, "/a:/": false, "/a:/x/..": false, "/a:b": false, "/a:/b:rw": false} {
		if _, err := ParseVolume(s); (err == nil) != ok {
			t.Errorf("%s: %v", s, err)
		}
	}
}

package network

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// place is a container root of one test's own: an overlay over the disk's,
// with the pod's resolv.conf.
type place struct {
	root string
}

func newPlace(t *testing.T, resolv string) *place {
	t.Helper()
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: runs programs gated")
	}
	dir := t.TempDir()
	p := &place{root: dir + "/merged"}
	for _, d := range []string{"upper/etc", "work", "merged"} {
		if err := os.MkdirAll(dir+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/upper/etc/resolv.conf", []byte(resolv), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("overlay", p.root, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%[2]s/upper,workdir=%[2]s/work", disk, dir)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(p.root, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return p
}

// ungated is what a command says in the root with no program of ours in force.
func (p *place) ungated(t *testing.T, argv ...string) string {
	t.Helper()
	return p.start(t, func(*exec.Cmd) {}, argv)
}

func (p *place) start(t *testing.T, change func(*exec.Cmd), argv []string) string {
	t.Helper()
	for _, d := range []string{"/proc", "/dev"} {
		if err := unix.Mount(d, p.root+d, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Unmount(p.root+d, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}()
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Err = nil // it is looked for below the root
	cmd.Env, cmd.Dir = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: p.root}
	change(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

// said is what each client said of each name or address: lines CLIENT NAME: WORDS.
func said(t *testing.T, out string) map[[2]string]string {
	t.Helper()
	all := map[[2]string]string{}
	for l := range strings.Lines(out) {
		who, rest, ok := strings.Cut(strings.TrimRight(l, "\n"), " ")
		of, words, ok2 := strings.Cut(rest, ": ")
		if !ok || !ok2 {
			t.Errorf("a client said %q", l)
			continue
		}
		all[[2]string{who, of}] = words
	}
	return all
}

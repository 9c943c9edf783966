package transparency

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	nodeAgent = "/usr/bin/node-agent"
	disk      = "/demo-root"
)

// place is a container root of one run's own: an overlay over the disk's, with
// the upper layer on the disk as well.
type place struct {
	t           *testing.T
	root, upper string
	out         string
	policy, log string
}

func newPlace(t *testing.T, name string) *place {
	t.Helper()
	dir := filepath.Join(disk, name)
	p := &place{t: t, root: dir + "/merged", upper: dir + "/upper", policy: dir + "/policy.yaml", log: dir + "/log"}
	p.out = p.upper + "/out"
	for _, d := range []string{p.root, p.out, p.upper + "/job", dir + "/overlay"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(p.upper+"/job", os.DirFS("work")); err != nil {
		t.Fatal(err)
	}
	layers := fmt.Sprintf("lowerdir=%s/root,upperdir=%s,workdir=%s/overlay", disk, p.upper, dir)
	if err := unix.Mount("overlay", p.root, "overlay", 0, layers); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(p.root, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return p
}

// command is what runs in the container.
func command(works []string) []string { return append([]string{"/bin/sh", "/job/run"}, works...) }

// ungated runs the works in the container that node-agent builds, by its init
// alone: no program of ours is in the kernel.
func (p *place) ungated(works []string) {
	p.t.Helper()
	spec, err := json.Marshal(map[string]any{"Root": p.root, "Argv": command(works)})
	if err != nil {
		p.t.Fatal(err)
	}
	rd, wr, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(nodeAgent, "run-init")
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "SAFECLAW_CONTAINER=" + string(spec)}
	cmd.ExtraFiles = []*os.File{wr} // where the init says why it failed
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	p.run(cmd)
	if err := errors.Join(wr.Close(), rd.Close()); err != nil {
		p.t.Error(err)
	}
}

// gated runs them under a policy that allows everything.
func (p *place) gated(works []string) {
	p.t.Helper()
	if err := os.WriteFile(p.policy, []byte(everything), 0o600); err != nil {
		p.t.Fatal(err)
	}
	args := []string{"run", "--policy", p.policy, "--log", p.log, "--root", p.root, "--env", "LANG=C.UTF-8"}
	for _, f := range families {
		args = append(args, "--allow-relaxation", f)
	}
	p.run(exec.Command(nodeAgent, append(append(args, "--"), command(works)...)...))
}

func (p *place) run(cmd *exec.Cmd) {
	p.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Errorf("%s: %v\n%s", filepath.Base(p.upper), err, out)
	}
}

// outcome is how one work ended, what it said, and how long it took.
type outcome struct {
	status, ms int
	said       string
}

func (p *place) outcome(t *testing.T, work string) outcome {
	t.Helper()
	read := func(suffix string) string {
		b, err := os.ReadFile(filepath.Join(p.out, work+suffix))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	number := func(suffix string) int {
		n, err := strconv.Atoi(strings.TrimSpace(read(suffix)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return outcome{status: number(".status"), ms: number(".ms"), said: read(".said")}
}

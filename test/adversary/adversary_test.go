// Package adversary holds attacks on the gate that once worked. Each first
// succeeds ungated, then must fail gated.
package adversary

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/test/gated"
)

const nodeAgent = "/usr/bin/node-agent"

const secretText = "SECRET"

func guest(t *testing.T) {
	t.Helper()
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: enforcement")
	}
}

// long adds the host's root where a process for the container's is the same test.
func long() bool { return os.Getenv("SAFECLAW_LONG") != "" }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func copyTo(t *testing.T, to string) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(to), 0o755))
	must(t, os.WriteFile(to, b, 0o755))
}

type env struct {
	dir, adv, secret, policy string
}

// lay makes an actor, a secret and a policy that allows only work.
func lay(t *testing.T, rules string) env {
	t.Helper()
	guest(t)
	d := t.TempDir()
	e := env{dir: d, adv: d + "/adv", secret: d + "/secret", policy: d + "/policy.yaml"}
	copyTo(t, e.adv)
	must(t, os.WriteFile(e.secret, []byte(secretText), 0o600))
	must(t, os.Mkdir(d+"/job", 0o777))
	must(t, os.WriteFile(e.policy, []byte("version: 1\nrules:\n  - action: file.*\n    path: \"/**/job/**\"\n    decision: allow\n"+rules), 0o600))
	return e
}

// suite runs programs gated in this process, under one load of the programs.
var suite gated.Suite

// run runs a program gated in this process, in a container if a root is given,
// and returns what it said. A run that fails has said nothing.
func (e env) run(t *testing.T, root string, volumes []agent.Volume, argv ...string) string {
	t.Helper()
	src, err := os.ReadFile(e.policy)
	must(t, err)
	r := suite.Run(t, agent.RunOptions{
		Tables: gated.Policy(t, src, "", root != ""), LogDir: t.TempDir() + "/log", Root: root, Volumes: volumes, Argv: argv,
	})
	var startErr error
	if r.RunResult != nil {
		startErr = r.StartErr
	}
	t.Logf("run: %v, start: %v\n%s", r.Err, startErr, r.Output)
	return r.Output
}

// process is the same by the program node-agent, where that is what is attacked.
func (e env) process(t *testing.T, prep func(*exec.Cmd), args ...string) string {
	t.Helper()
	cmd := exec.Command(nodeAgent, append([]string{"run", "--policy", e.policy, "--log", e.dir + "/log-" + time.Now().Format("150405.000000")}, args...)...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if prep != nil {
		prep(cmd)
	}
	err := cmd.Run()
	t.Logf("node-agent: %v\n%s", err, out.String())
	return out.String()
}

func end(t *testing.T, out string) string {
	t.Helper()
	for l := range strings.Lines(out) {
		if s, ok := strings.CutPrefix(l, "END "); ok {
			return strings.TrimSpace(s)
		}
	}
	return "none"
}

func ungated(t *testing.T, prep func(*exec.Cmd), argv ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	var b strings.Builder
	cmd.Stdout, cmd.Stderr = &b, &b
	if prep != nil {
		prep(cmd)
	}
	must(t, cmd.Run())
	if end(t, b.String()) != "ok" {
		t.Fatalf("ungated: %s", b.String())
	}
}

// A root that is the host's own under another name is gated, or refused.
func TestHostRootBound(t *testing.T) {
	e := lay(t, "")
	copyTo(t, "/usr/local/bin/adv")
	must(t, os.WriteFile("/etc/shadow-adv", nil, 0o600))
	must(t, os.MkdirAll("/hostroot", 0o755))
	must(t, unix.Mount("/", "/hostroot", "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount("/hostroot", unix.MNT_DETACH) })
	ungated(t, nil, "/usr/local/bin/adv", "read", "/etc/shadow-adv")
	if s := end(t, e.run(t, "/hostroot", nil, "/usr/local/bin/adv", "read", "/etc/shadow-adv")); s == "ok" {
		t.Error("the program ran ungated")
	}
}

func container(t *testing.T, e env) string {
	t.Helper()
	root := e.dir + "/root"
	copyTo(t, root+"/usr/local/bin/adv")
	must(t, os.MkdirAll(root+"/job", 0o777))
	return root
}

// A link in the image must not lead the preparing of mounts out of the image.
func TestMountTargetLinks(t *testing.T) {
	e := lay(t, "")
	for _, c := range []struct{ link, target, volume string }{
		{"data", "/data/made", "dir"}, {"data", "/data/sub/file", "secret"}, {"proc", "", ""}, {"dev", "", ""}, {"sys", "", ""},
	} {
		root := container(t, e)
		host := t.TempDir()
		must(t, os.RemoveAll(root+"/"+c.link))
		must(t, os.Symlink(host, root+"/"+c.link))
		var volumes []agent.Volume
		if c.volume != "" {
			must(t, os.MkdirAll(root+host, 0o755)) // where the link leads in the container
			must(t, os.MkdirAll(e.dir+"/dir", 0o755))
			volumes = append(volumes, agent.Volume{Source: e.dir + "/" + c.volume, Target: c.target})
		}
		out := e.run(t, root, volumes, "/usr/local/bin/adv", "read", "/job")
		if es, err := os.ReadDir(host); err != nil || len(es) > 0 {
			t.Errorf("%v: made on the host: %v %v", c, es, err)
		}
		if c.volume == "" && end(t, out) == "ok" {
			t.Errorf("%v: a container whose /%s is a link started", c, c.link)
		}
		if c.volume != "" && end(t, out) != "ok" {
			t.Errorf("%v: a volume below a link of the image did not work", c)
		}
		must(t, os.RemoveAll(root))
	}
}

// A device node that came with the image is no way to the device.
func TestDeviceInImage(t *testing.T) {
	e := lay(t, "")
	root := container(t, e)
	must(t, unix.Mknod(root+"/zero", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))))
	ungated(t, nil, e.adv, "read", root+"/zero")
	if s := end(t, e.run(t, root, nil, "/usr/local/bin/adv", "read", "/zero")); s != "EACCES" {
		t.Errorf("device node of the image: %s", s)
	}
}

// Whatever node-agent was given by its parent stays with it.
func TestInherited(t *testing.T) {
	e := lay(t, "")
	f, err := os.Open(e.secret)
	must(t, err)
	defer f.Close()
	prep := func(c *exec.Cmd) { c.ExtraFiles = []*os.File{f, f, f, f, f, f, f, f, f} }
	ungated(t, prep, e.adv, "inherited", secretText)
	if long() {
		if s := end(t, e.process(t, prep, "--", e.adv, "inherited", secretText)); s != "EBADF" {
			t.Errorf("host: %s", s)
		}
	}
	root := container(t, e)
	if s := end(t, e.process(t, prep, "--root", root, "--", "/usr/local/bin/adv", "inherited", secretText)); s != "EBADF" {
		t.Errorf("container: %s", s)
	}
}

// The program must not type into the terminal of who started it.
func TestTerminalInjection(t *testing.T) {
	e := lay(t, "")
	root := container(t, e)
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	defer ptmx.Close()
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0))
	pts, err := os.OpenFile("/dev/pts/"+itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	defer pts.Close()
	go func() { _, _ = io.Copy(io.Discard, ptmx) }()
	prep := func(c *exec.Cmd) {
		c.Stdin = pts
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	}
	ungated(t, prep, e.adv, "inject")
	if s := end(t, e.process(t, prep, "--root", root, "--", "/usr/local/bin/adv", "inject")); s != "EPERM" {
		t.Errorf("container: %s", s)
	}
	if long() {
		if s := end(t, e.process(t, prep, "--", e.adv, "inject")); s != "EPERM" {
			t.Errorf("host: %s", s)
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

package loader

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// canary tries, over and over and all at once, what its policy denies and what
// it allows. Of the first none may succeed and of the second none may fail,
// whatever happens to the agent meanwhile.
type canary struct {
	quit           chan struct{}
	wg             sync.WaitGroup
	tried, escapes atomic.Int64
	asked, refused atomic.Int64
	first          atomic.Pointer[string]
}

const canaryPause = 20 * time.Millisecond

// canaryPolicy fits a directory with the files open and shut, the program self
// and busybox in it.
const canaryPolicy = `version: 1
baseline: none
rules:
  - {id: shut, action: "file.*", path: "%[1]s/shut", decision: deny}
  - {id: by-exe, action: file.read, path: "%[1]s/mine", exe: "%[2]s", decision: allow}
  - {id: dir, action: "file.*", path: {glob: ["%[1]s/open", "%[1]s/job/**", /bin/busybox]}, decision: allow}
  - {id: args, action: process.exec, command: busybox true yes, decision: allow}
`

func canaryFiles(t *testing.T) (dir, src string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"shut", "open", "mine"} {
		file(t, dir, name)
	}
	if err := os.Mkdir(filepath.Join(dir, "job"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, fmt.Sprintf(canaryPolicy, dir, self(t))
}

func (c *canary) start(dir string) string {
	c.quit = make(chan struct{})
	shut, work := dir+"/shut", dir+"/job"
	c.deny("open", func() error { return openClose(unix.AT_FDCWD, shut, unix.O_RDONLY) })
	c.deny("open to write", func() error { return openClose(unix.AT_FDCWD, shut, unix.O_WRONLY) })
	c.deny("truncate", func() error { return unix.Truncate(shut, 1) })
	c.deny("chmod", func() error { return unix.Chmod(shut, 0o600) })
	c.deny("times", func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, shut, make([]unix.Timespec, 2), 0) })
	c.deny("rename", func() error { return unix.Rename(shut, work+"/shut") })
	c.deny("link", func() error { return unix.Link(shut, work+"/link") })
	c.deny("open in a child", func() error { return forkOpen(shut) })
	c.deny("arguments", func() error { return execWait([]string{busybox, "true", "no"}) })
	c.allow("open", func() error { return openClose(unix.AT_FDCWD, dir+"/open", unix.O_RDWR) })
	c.allow("by executable", func() error { return openClose(unix.AT_FDCWD, dir+"/mine", unix.O_RDONLY) })
	c.allow("open in a child", func() error { return forkOpen(dir + "/open") })
	c.allow("arguments", func() error { return execWait([]string{busybox, "true", "yes"}) })
	c.allow("work", func() error { return workIn(work) })
	return "ok"
}

// workIn makes a file, changes all that can be changed of it, and removes it.
func workIn(dir string) error {
	a, b := dir+"/a", dir+"/b"
	if err := openClose(unix.AT_FDCWD, a, unix.O_CREAT|unix.O_WRONLY); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, a, make([]unix.Timespec, 2), 0); err != nil {
		return fmt.Errorf("times: %w", err)
	}
	if err := unix.Setxattr(a, "trusted.canary", []byte("x"), 0); err != nil {
		return fmt.Errorf("xattr: %w", err)
	}
	if err := unix.Chmod(a, 0o600); err != nil {
		return fmt.Errorf("chmod: %w", err)
	}
	if err := unix.Rename(a, b); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	if err := unix.Unlink(b); err != nil {
		return fmt.Errorf("unlink: %w", err)
	}
	return nil
}

func (c *canary) deny(what string, f func() error) {
	c.loop(func() {
		c.tried.Add(1)
		if err := f(); err == nil {
			c.escapes.Add(1)
			c.say("done: " + what)
		}
	})
}

func (c *canary) allow(what string, f func() error) {
	c.loop(func() {
		c.asked.Add(1)
		if err := f(); err != nil {
			c.refused.Add(1)
			c.say("refused: " + what + ": " + err.Error())
		}
	})
}

func (c *canary) say(s string) { c.first.CompareAndSwap(nil, &s) }

func (c *canary) loop(f func()) {
	c.wg.Go(func() {
		for {
			select {
			case <-c.quit:
				return
			default:
				f()
				time.Sleep(canaryPause) // the agent is to get on
			}
		}
	})
}

func (c *canary) stop() string {
	close(c.quit)
	c.wg.Wait()
	first := "nothing"
	if s := c.first.Load(); s != nil {
		first = *s
	}
	return fmt.Sprintf("tried %d done %d asked %d refused %d first %s",
		c.tried.Load(), c.escapes.Load(), c.asked.Load(), c.refused.Load(), first)
}

// survived ends a canary and wants it to have noticed nothing.
func survived(t *testing.T, c *child) {
	t.Helper()
	s := c.ask("canary-stop")
	var tried, done, asked, refused int
	if !scan(s, "tried %d done %d asked %d refused %d", &tried, &done, &asked, &refused) {
		t.Fatal(s)
	}
	if tried == 0 || asked == 0 || done != 0 || refused != 0 {
		t.Errorf("canary: %s", s)
	}
	t.Logf("canary: %s", s)
}

// canaryOn starts one, gated by programs on pins. The agent is left to the caller.
func canaryOn(t *testing.T, g *Gate) *child {
	t.Helper()
	dir, src := canaryFiles(t)
	n, err := g.InstallPolicy(compile(t, src))
	if err != nil {
		t.Fatal(err)
	}
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	c.want("ok", "canary %s", dir)
	return c
}

// agentEnv has the directory of pins and the build of an agent that a test kills.
const agentEnv = "SAFECLAW_TEST_AGENT"

// upgrader is the value of childEnv that makes this binary an agent that upgrades
// or adopts, again and again, until it is killed.
const upgrader = "upgrader"

func upgraderMain() int {
	for i := 0; ; i++ {
		g, err := Load(context.Background(), Options{PinDir: os.Getenv(agentEnv), Build: fmt.Sprint(os.Getpid(), i%2)})
		if err != nil {
			fmt.Fprintln(os.Stderr, "upgrade:", err)
			return 1
		}
		if err := g.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "upgrade:", err)
			return 1
		}
		fmt.Println("upgraded")
	}
}

// TestUpgradeCanary: an upgrade between two builds is noticed by nobody who is
// gated. Nor is the death of an agent at any moment of one: it leaves a set in
// force that gates everybody, and nothing that keeps the next one back.
func TestUpgradeCanary(t *testing.T) {
	dir := pinDir(t)
	upgrades, kills := 1, 1
	if long() {
		upgrades, kills = 50, 60
	}
	g := agent(t, Options{PinDir: dir})
	c := canaryOn(t, g)
	closeGate(t, g)
	var takes time.Duration
	for i := range upgrades {
		began := time.Now()
		upgrade(t, Options{PinDir: dir, Build: []string{"b", "a"}[i%2]})
		takes = time.Since(began)
	}
	for range kills {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{childEnv + "=" + upgrader, agentEnv + "=" + dir}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Things happen in the second half.
		time.Sleep(takes/2 + rand.N(takes/2))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("agent: %v", err)
		}
	}
	n := upgrade(t, Options{PinDir: dir, Build: "last"})
	survived(t, c)
	t.Logf("%d upgrades, and %d killed: generation %d", upgrades, kills, n)
}

// upgrade replaces what is in force, and says which generation is then.
func upgrade(t *testing.T, o Options) int {
	t.Helper()
	g := agent(t, o)
	defer closeGate(t, g)
	if g.How() != StartUpgraded {
		t.Fatalf("%v", g.How())
	}
	if err := g.Previous().Close(); err != nil {
		t.Fatal(err)
	}
	return g.Generation()
}

package loader

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// childEnv makes this test binary the gated program of a test: see childMain.
const childEnv = "SAFECLAW_TEST_CHILD"

const cgroupRoot = "/sys/fs/cgroup"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
	case racer:
		os.Exit(raceMain())
	case upgrader:
		os.Exit(upgraderMain())
	case starter:
		os.Exit(starterMain())
	case visitor:
		os.Exit(visitorMain())
	default:
		os.Exit(childMain(os.Stdin, os.Stdout))
	}
	code := m.Run()
	for _, sh := range shared {
		if sh.gate == nil {
			continue
		}
		if err := sh.gate.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close a shared gate:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// needGuest ends a test that needs programs in the kernel on a machine that is
// no guest. A guest that cannot load them fails.
func needGuest(t *testing.T) {
	t.Helper()
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: loads LSM programs")
	}
}

// loads are the gates that tests share: loading takes seconds under emulation.
type loads struct {
	options Options
	once    sync.Once
	gate    *Gate
	err     error
}

// The options by which tests differ. In a small ring little fits; where little
// fits the map of counted allows the ring has a middling size.
var (
	plain     = &loads{}
	smallRing = &loads{options: Options{RingBytes: pageSize}}
	fewCounts = &loads{options: Options{RingBytes: 1 << 16, CountedEntries: 4}}
	shared    = []*loads{plain, smallRing, fewCounts}
)

// long says whether racing tests take their time.
func long() bool { return os.Getenv("SAFECLAW_LONG") == "1" }

// sharedGate is one load for all tests that need no load of their own. What an
// earlier test left in its ring is gone.
func sharedGate(t *testing.T) *Gate {
	t.Helper()
	g := plain.get(t)
	drain(t, g)
	return g
}

func (l *loads) get(t *testing.T) *Gate {
	t.Helper()
	needGuest(t)
	l.once.Do(func() { l.gate, l.err = Load(context.Background(), l.options) })
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.gate
}

// atRest is the gate and where its counters begin.
func (l *loads) atRest(t *testing.T) (*Gate, []CPUStats) {
	t.Helper()
	g := l.get(t)
	base, err := g.Rest()
	if err != nil {
		t.Fatal(err)
	}
	return g, base
}

func ownGate(t *testing.T, o Options) *Gate {
	t.Helper()
	needGuest(t)
	g, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func drain(t *testing.T, g *Gate) []*Event {
	t.Helper()
	var out []*Event
	if err := g.Drain(func(e *Event) error {
		out = append(out, e)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// about are the events with a subject, whoever caused them.
func about(es []*Event, subject string) []*Event {
	var out []*Event
	for _, e := range es {
		if string(e.Subject) == subject {
			out = append(out, e)
		}
	}
	return out
}

// one wants exactly one event of a subject, with a rule and verdict.
func one(t *testing.T, es []*Event, tb *policy.Tables, subject, rule string, v Verdict) *Event {
	t.Helper()
	found := about(es, subject)
	if len(found) != 1 {
		t.Fatalf("%d events about %s, want 1: %s", len(found), subject, list(found))
	}
	e := found[0]
	if got := tb.Rules[e.Rule].Name; got != rule || e.Verdict != v || e.TableID != tb.ID {
		t.Fatalf("event about %s: rule %s, verdict %d, table %x; want %s, %d, %x", subject, got, e.Verdict, e.TableID, rule, v, tb.ID)
	}
	return e
}

func list(es []*Event) string {
	var b strings.Builder
	for _, e := range es {
		fmt.Fprintf(&b, "\n\t%+v", *e)
	}
	return b.String()
}

func compile(t *testing.T, src string) *policy.Tables {
	t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	tb, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

// install puts a policy into a slot that is released at the test's end.
func install(t *testing.T, g *Gate, src string) (uint32, *policy.Tables) {
	t.Helper()
	tb := compile(t, src)
	n, err := g.InstallPolicy(tb)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Release(n); err != nil {
			t.Error(err)
		}
	})
	return n, tb
}

// group is a cgroup of a test.
type group struct {
	dir string
	id  uint64
}

func newGroup(t *testing.T, parent string) group {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "loader-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeGroup(t, dir) })
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	return group{dir, st.Ino}
}

func removeGroup(t *testing.T, dir string) {
	if err := os.WriteFile(dir+"/cgroup.kill", []byte("1"), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for range 2000 {
		if b, err := os.ReadFile(dir + "/cgroup.events"); err != nil || strings.Contains(string(b), "populated 0") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func bind(t *testing.T, g *Gate, gr group, kind BindingKind, slot uint32) {
	t.Helper()
	if err := g.Bind(gr.id, kind, slot); err != nil {
		t.Fatal(err)
	}
}

// child is this test binary, gated, doing what it is told.
type child struct {
	t    *testing.T
	proc *os.Process
	in   io.Writer
	out  *bufio.Reader
	done func() error
}

// startChild starts it inside a cgroup: it is there before its first exec.
func startChild(t *testing.T, gr group, set ...func(*exec.Cmd)) *child {
	t.Helper()
	dir, err := os.Open(gr.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{childEnv + "=1"}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	for _, f := range set {
		f(cmd)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start child: %v", err)
	}
	c := &child{t: t, proc: cmd.Process, in: in, out: bufio.NewReader(out), done: sync.OnceValue(func() error {
		in.Close()
		return cmd.Wait()
	})}
	t.Cleanup(func() { c.done() }) //nolint:errcheck // a test that cares waits itself
	c.want("ready", "hello")
	return c
}

// ask has a line done and returns what came of it.
func (c *child) ask(format string, args ...any) string {
	c.t.Helper()
	line := fmt.Sprintf(format, args...)
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatalf("tell child %q: %v", line, err)
	}
	s, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("child's answer to %q: %v", line, err)
	}
	return strings.TrimSuffix(s, "\n")
}

func (c *child) want(end, format string, args ...any) {
	c.t.Helper()
	if got := c.ask(format, args...); got != end {
		c.t.Fatalf("child: %s: %s, want %s", fmt.Sprintf(format, args...), got, end)
	}
}

// number is an answer that is a number, such as a descriptor.
func (c *child) number(format string, args ...any) int {
	c.t.Helper()
	var n int
	if s := c.ask(format, args...); !scan(s, "%d", &n) {
		c.t.Fatalf("child: %s: %s, want a number", fmt.Sprintf(format, args...), s)
	}
	return n
}

// tally is how many opens succeeded and how many were denied.
func (c *child) tally(format string, args ...any) (ok, denied int) {
	c.t.Helper()
	if s := c.ask(format, args...); !scan(s, "ok %d denied %d", &ok, &denied) {
		c.t.Fatalf("child: %s: %s, want a tally", fmt.Sprintf(format, args...), s)
	}
	return ok, denied
}

func scan(s, format string, into ...any) bool {
	n, err := fmt.Sscanf(s, format, into...)
	return err == nil && n == len(into)
}

// file makes a file below the test's own directory.
func file(t *testing.T, dir, name string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(name), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func total(t *testing.T, g *Gate) CPUStats { return totalSince(t, g, nil) }

func totalSince(t *testing.T, g *Gate, base []CPUStats) CPUStats {
	t.Helper()
	stats, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	var s CPUStats
	for _, c := range Since(stats, base) {
		s.Seq += c.Seq
		s.Decisions += c.Decisions
		s.Counted += c.Counted
		s.Emitted += c.Emitted
		s.Lost += c.Lost
		s.LostShare += c.LostShare
		s.Denied += c.Denied
		s.NoScratch += c.NoScratch
		s.NoStorage += c.NoStorage
		s.NoRuleCount += c.NoRuleCount
		s.BindLost += c.BindLost
		s.GuardHeld += c.GuardHeld
		s.NamesForgotten += c.NamesForgotten
		s.NamesUnlearned += c.NamesUnlearned
	}
	return s
}

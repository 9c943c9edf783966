// Package escapes holds the known ways round a gate, one small act each. Every
// act first succeeds in a task that is not gated, then fails in one that is,
// with the record that names hook, rule and subject.
package escapes

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// root is where every act takes place: a tree laid anew for each.
const root = "/escapes"

// rules is the policy of all acts. Beside the names:
//
//	desk     may be read, written and run; below desk/private nothing may be read
//	look     may be read only
//	secret   nothing
const rules = `
version: 1
baseline: none
rules:
  - {id: no-secret, action: [file.*, process.exec], path: /escapes/secret/**, decision: deny}
  - {id: private, action: file.read, path: /escapes/desk/private/**, decision: deny}
  - {id: work, action: file.*, path: /escapes/desk/**, decision: allow}
  - {id: run, action: process.exec, path: /escapes/desk/bin/**, decision: allow}
  - {id: look, action: file.read, path: /escapes/look/**, decision: allow}
  - {id: proc, action: file.read, path: /proc/**, decision: allow}
  - {id: actor, action: file.read, path: "/test/*", decision: allow}
`

// lay makes the tree.
func lay(t *testing.T) {
	t.Helper()
	must(t, unmountAll())
	must(t, os.RemoveAll(root))
	for _, d := range []string{"secret/dir", "desk/private/dir", "desk/bin", "desk/dir", "look/dir"} {
		must(t, os.MkdirAll(filepath.Join(root, d), 0o777))
	}
	for _, f := range []string{"secret/key", "desk/file", "desk/private/file", "desk/dir/file", "desk/private/dir/file", "look/file"} {
		must(t, os.WriteFile(filepath.Join(root, f), []byte("text of "+f), 0o644))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// actorEnv names the technique that this test binary performs instead of tests.
const actorEnv = "ESCAPE"

// longEnv asks for many more rounds of what races.
const longEnv = "SAFECLAW_LONG"

// done is what a technique that executes this binary again gives as its name.
const done = "done"

func TestMain(m *testing.M) {
	if id := os.Getenv(actorEnv); id != "" {
		os.Exit(actor(id))
	}
	os.Exit(m.Run())
}

// actor prints how the technique ended, as an errno's name.
func actor(id string) int {
	if id == done {
		fmt.Println("END ok")
		return 0
	}
	for _, e := range escapes() {
		if e.id == id {
			fmt.Println("END", outcome(e.do()))
			return 0
		}
	}
	return 2
}

// suite is one gate for all acts, and a binding for each policy.
type suite struct {
	gate  *loader.Gate
	bound map[string]bound // by the policy's text
}

// bound is a cgroup under a policy.
type bound struct {
	tables *policy.Tables
	cgroup string
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: enforcement")
	}
	g, err := loader.Load(t.Context(), loader.Options{Protect: true})
	must(t, err)
	t.Cleanup(func() { must(t, g.Close()) })
	serve(t)
	must(t, layKeep())
	must(t, g.Protect(loader.Protection{Dirs: []string{keep}}))
	must(t, g.NeverBind([]netip.Addr{netip.MustParseAddr(nodeAddr)}))
	return &suite{gate: g, bound: map[string]bound{}}
}

// under is the cgroup of a policy, made when it is first asked for. Call it
// with the test that all acts belong to: it lives as long.
func (s *suite) under(t *testing.T, text string) bound {
	t.Helper()
	if text == "" {
		text = rules
	}
	if b, ok := s.bound[text]; ok {
		return b
	}
	p, err := policy.Parse("policy.yaml", []byte(text))
	must(t, err)
	tables, err := policy.Compile(p, policy.Options{AllowedRelaxations: policy.BuiltinNames()})
	must(t, err)
	slot, err := s.gate.InstallPolicy(tables)
	must(t, err)
	dir, err := os.MkdirTemp("/sys/fs/cgroup", "escapes-")
	must(t, err)
	t.Cleanup(func() { must(t, os.Remove(dir)) })
	var st syscall.Stat_t
	must(t, syscall.Stat(dir, &st))
	must(t, s.gate.SetNetwork(st.Ino, loader.Network{Resolvers: []netip.Addr{netip.MustParseAddr(resolver)}, Search: searches}))
	t.Cleanup(func() { must(t, s.gate.ForgetNetwork(st.Ino)) })
	must(t, s.gate.ReadNames(dir))
	must(t, s.gate.Bind(st.Ino, loader.BindAny|loader.BindNames, slot))
	s.bound[text] = bound{tables, dir}
	return s.bound[text]
}

// act performs a technique in a process of its own, in the cgroup if one is
// given, and returns how it ended. It inherits look/file, open for writing, as
// descriptor 3 and a socket as 4, through which this process sends it the key.
func (s *suite) act(t *testing.T, e escape, cgroup string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{actorEnv + "=" + e.id, longEnv + "=" + os.Getenv(longEnv)}
	held, err := os.OpenFile(root+"/look/file", os.O_RDWR, 0)
	must(t, err)
	defer held.Close()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	if e.hand == nil {
		e.hand = func() (int, error) { return unix.Open(key, unix.O_RDONLY|unix.O_CLOEXEC, 0) }
	}
	fd, err := e.hand()
	must(t, err)
	must(t, syscall.Sendmsg(pair[0], []byte("k"), syscall.UnixRights(fd), nil, 0))
	must(t, unix.Close(fd))
	cmd.ExtraFiles = []*os.File{held, theirs}
	if e.inherit != nil {
		fd, err := e.inherit()
		must(t, err)
		f := os.NewFile(uintptr(fd), "inherited")
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if e.during != nil {
		defer meanwhile(t, e.during)()
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if cgroup != "" {
		dir, err := os.Open(cgroup)
		must(t, err)
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	ended := cmd.Run()
	for sc := bufio.NewScanner(&out); sc.Scan(); {
		if end, ok := strings.CutPrefix(sc.Text(), "END "); ok {
			return end
		}
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signal() == syscall.SIGKILL {
		return "SIGKILL"
	}
	t.Fatalf("actor said nothing and ended with %v: %s", ended, out.String())
	return ""
}

// meanwhile does something again and again until the function that it returns is called.
func meanwhile(t *testing.T, do func() error) (end func()) {
	stop, ended := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			if err := do(); err != nil {
				ended <- err
				return
			}
		}
	}()
	return func() {
		close(stop)
		must(t, <-ended)
	}
}

func (s *suite) drain(t *testing.T) []*loader.Event {
	t.Helper()
	var out []*loader.Event
	must(t, s.gate.Drain(func(e *loader.Event) error {
		out = append(out, e)
		return nil
	}))
	return out
}

// recorded wants a record of the verdict among what the act caused.
func (s *suite) recorded(t *testing.T, e escape, tables *policy.Tables) {
	t.Helper()
	var near strings.Builder
	want := loader.Deny
	if e.end == "ok" {
		want = loader.Allow
	}
	for _, ev := range s.drain(t) {
		rule, action := tables.Rules[ev.Rule].Name, policy.Kind(ev.Action).String()
		subject := strings.TrimPrefix(string(ev.Subject), root+"/")
		if ev.Verdict == want && ev.Hook == e.hook && action == e.action && rule == e.rule && (subject == e.subject || e.subject == "") {
			return
		}
		fmt.Fprintf(&near, "\n\tverdict %d, %s by %s, rule %s: %q class %s", ev.Verdict, action, ev.Hook, rule, ev.Subject, ev.Class)
	}
	t.Errorf("no record of verdict %d by %s on %s of %s, rule %s; there is:%s", want, e.hook, e.action, e.subject, e.rule, near.String())
}

// try does one technique, ungated and gated, and says what came of it; where
// the kernel lacks it, what that is.
func (s *suite) try(t *testing.T, e escape, b bound) (said, lacks string) {
	if e.lacks != nil {
		if what := e.lacks(); what != "" {
			return "", what
		}
	}
	prepared := func() {
		lay(t)
		if e.setup != nil {
			must(t, e.setup())
		}
	}
	prepared()
	if end := s.act(t, e, ""); end != "ok" {
		t.Fatalf("%s: ungated it ended with %s", e.technique, end)
	}
	prepared()
	s.drain(t)
	end := s.act(t, e, b.cgroup)
	if want := cmp.Or(e.end, "EACCES"); end != want {
		t.Errorf("%s: gated it ended with %s, want %s", e.technique, end, want)
	}
	s.recorded(t, e, b.tables)
	if e.left != "" {
		if _, err := os.Lstat(filepath.Join(root, e.left)); err == nil {
			t.Errorf("%s: %s was left behind", e.technique, e.left)
		}
	}
	return "ungated ok, gated " + end + " by " + e.hook, ""
}

// TestEscapes: every technique, ungated and gated, and the matrix of this kernel.
func TestEscapes(t *testing.T) {
	s := newSuite(t)
	var uts unix.Utsname
	must(t, unix.Uname(&uts))
	kernel := unix.ByteSliceToString(uts.Release[:])
	var planned, ran, skipped, elsewhere, reasons int
	line := func(e escape, said string) { fmt.Printf("escapes %s: %-5s %s: %s\n", kernel, e.id, e.technique, said) }
	for _, e := range escapes() {
		switch {
		case e.test != "":
			elsewhere++
			line(e, "see "+e.test)
			continue
		case e.reason != "":
			reasons++
			line(e, "no test: "+e.reason)
			continue
		}
		planned++
		b := s.under(t, e.rules)
		var said, lacks string
		ok := t.Run(e.id, func(t *testing.T) {
			if said, lacks = s.try(t, e, b); lacks != "" {
				t.Skip("kernel lacks: " + lacks)
			}
		})
		switch {
		case lacks != "":
			skipped++
			line(e, "kernel lacks: "+lacks)
		case !ok:
			ran++
			line(e, "FAILED")
		default:
			ran++
			line(e, said)
		}
	}
	fmt.Printf("escapes %s: planned %d, ran %d, skipped %d; %d by other tests, %d with a reason\n", kernel, planned, ran, skipped, elsewhere, reasons)
}

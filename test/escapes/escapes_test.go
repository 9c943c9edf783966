// Package escapes holds the known ways round a gate, one small act each. Every
// act first succeeds in a task that is not gated, then fails in one that is,
// with the record that names hook, rule and subject.
package escapes

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// root is where every act takes place: a tree laid anew for each.
const root = "/escapes"

// rules is the policy of all acts. Beside the names:
//
//	work     may be read, written and run; below work/private nothing may be read
//	look     may be read only
//	secret   nothing
const rules = `
version: 1
baseline: none
rules:
  - {id: no-secret, action: [file.*, process.exec], path: /escapes/secret/**, decision: deny}
  - {id: private, action: file.read, path: /escapes/work/private/**, decision: deny}
  - {id: work, action: file.*, path: /escapes/work/**, decision: allow}
  - {id: run, action: process.exec, path: /escapes/work/bin/**, decision: allow}
  - {id: look, action: file.read, path: /escapes/look/**, decision: allow}
  - {id: proc, action: file.read, path: /proc/**, decision: allow}
  - {id: actor, action: file.read, path: "/test/*", decision: allow}
`

// escape is one technique and the denial that ends it.
type escape struct {
	id        string // of the list of attacks that the suite follows, with a letter where one has several ways
	technique string
	do        func() error
	// The record: which hook denied what action on which subject by which rule.
	hook, action, subject, rule string
	// lacks, where set, says what the running kernel does not have.
	lacks func() string
	// left, where set, is a path that must not exist after the gated act.
	left string
}

// lay makes the tree.
func lay(t *testing.T) {
	t.Helper()
	must(t, os.RemoveAll(root))
	for _, d := range []string{"secret/dir", "work/private/dir", "work/bin", "work/dir", "look/dir"} {
		must(t, os.MkdirAll(filepath.Join(root, d), 0o777))
	}
	for _, f := range []string{"secret/key", "work/file", "work/private/file", "work/dir/file", "work/private/dir/file", "look/file"} {
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
	for _, e := range escapes {
		if e.id == id {
			fmt.Println("END", outcome(e.do()))
			return 0
		}
	}
	return 2
}

// suite is the gate and its one binding.
type suite struct {
	gate   *loader.Gate
	tables *policy.Tables
	cgroup string
}

func newSuite(t *testing.T) *suite {
	t.Helper()
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: enforcement")
	}
	p, err := policy.Parse("policy.yaml", []byte(rules))
	must(t, err)
	tables, err := policy.Compile(p, policy.Options{})
	must(t, err)
	g, err := loader.Load(t.Context(), loader.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, g.Close()) })
	slot, err := g.InstallPolicy(tables)
	must(t, err)
	dir, err := os.MkdirTemp("/sys/fs/cgroup", "escapes-")
	must(t, err)
	t.Cleanup(func() { must(t, os.Remove(dir)) })
	var st syscall.Stat_t
	must(t, syscall.Stat(dir, &st))
	must(t, g.Bind(st.Ino, loader.BindAny, slot))
	return &suite{gate: g, tables: tables, cgroup: dir}
}

// act performs a technique in a process of its own, in the cgroup if one is
// given, and returns how it ended. It inherits look/file, open for writing, as
// descriptor 3 and a socket as 4, through which this process sends it the key.
func (s *suite) act(t *testing.T, id, cgroup string) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{actorEnv + "=" + id}
	held, err := os.OpenFile(root+"/look/file", os.O_RDWR, 0)
	must(t, err)
	defer held.Close()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	must(t, err)
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	defer theirs.Close()
	key, err := os.Open(root + "/secret/key")
	must(t, err)
	defer key.Close()
	must(t, syscall.Sendmsg(pair[0], []byte("k"), syscall.UnixRights(int(key.Fd())), nil, 0))
	cmd.ExtraFiles = []*os.File{held, theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if cgroup != "" {
		dir, err := os.Open(cgroup)
		must(t, err)
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("actor: %v\n%s", err, out.String())
	}
	for sc := bufio.NewScanner(&out); sc.Scan(); {
		if end, ok := strings.CutPrefix(sc.Text(), "END "); ok {
			return end
		}
	}
	t.Fatalf("actor said nothing: %s", out.String())
	return ""
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

// denied wants a record of the denial among what the act caused.
func (s *suite) denied(t *testing.T, e escape) {
	t.Helper()
	var near strings.Builder
	for _, ev := range s.drain(t) {
		rule, action := s.tables.Rules[ev.Rule].Name, policy.Kind(ev.Action).String()
		subject := strings.TrimPrefix(string(ev.Subject), root+"/")
		if ev.Verdict == loader.Deny && ev.Hook == e.hook && action == e.action && rule == e.rule && (subject == e.subject || e.subject == "") {
			return
		}
		fmt.Fprintf(&near, "\n\tverdict %d, %s by %s, rule %s: %q class %s", ev.Verdict, action, ev.Hook, rule, ev.Subject, ev.Class)
	}
	t.Errorf("no record that %s denied %s of %s by rule %s; there is:%s", e.hook, e.action, e.subject, e.rule, near.String())
}

// TestEscapes: every technique, ungated and gated.
func TestEscapes(t *testing.T) {
	s := newSuite(t)
	var ran, skipped int
	for _, e := range escapes {
		ok := t.Run(e.id, func(t *testing.T) {
			if e.lacks != nil {
				if what := e.lacks(); what != "" {
					skipped++
					t.Skip("kernel lacks: " + what)
				}
			}
			ran++
			lay(t)
			if end := s.act(t, e.id, ""); end != "ok" {
				t.Fatalf("%s: ungated it ended with %s", e.technique, end)
			}
			lay(t)
			s.drain(t)
			if end := s.act(t, e.id, s.cgroup); end != "EACCES" {
				t.Errorf("%s: gated it ended with %s", e.technique, end)
			}
			s.denied(t, e)
			if e.left != "" {
				if _, err := os.Lstat(filepath.Join(root, e.left)); err == nil {
					t.Errorf("%s: %s was left behind", e.technique, e.left)
				}
			}
		})
		if !ok {
			t.Logf("%s: %s", e.id, e.technique)
		}
	}
	fmt.Printf("escapes: planned %d, ran %d, skipped %d\n", len(escapes), ran, skipped)
}

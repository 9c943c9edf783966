// Package cli tests the program node-agent as an operator meets it: exit codes,
// what it says, what it leaves behind. It needs a kernel that enforces.
package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/test/gated"
)

const nodeAgent = "/usr/bin/node-agent"

// suite runs programs gated in this process, where node-agent's own is not what
// is tested.
var suite gated.Suite

// long runs as a process of node-agent what otherwise this process runs, or
// what another mode shows.
func long() bool { return os.Getenv("SAFECLAW_LONG") != "" }

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == actName {
		os.Exit(act(os.Args[1:]))
	}
	os.Exit(suite.Main(m))
}

func needGuest(t *testing.T) {
	t.Helper()
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: runs programs gated")
	}
}

// place is where one test's files are: a gated program, its container's root.
type place struct {
	t             *testing.T
	dir, act      string
	root          string // the container's root, where the program is /act
	policy, log   string
	secret, allow string
}

// everywhere is a policy that allows writing below /tmp/.../out and /out.
const everywhere = `version: 1
rules:
  - id: out
    action: file.*
    path: {glob: ["%s/out/**", "/out/**"]}
    decision: audit
`

func newPlace(t *testing.T) *place {
	t.Helper()
	needGuest(t)
	dir := t.TempDir()
	p := &place{t: t, dir: dir, act: dir + "/" + actName, root: dir + "/root", policy: dir + "/policy.yaml", log: dir + "/log",
		secret: dir + "/secret", allow: dir + "/out/f"}
	for _, d := range []string{"/out", "/root/out", "/root/etc"} {
		if err := os.MkdirAll(dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		p.act: self, p.root + "/act": self, p.secret: []byte("secret"), p.allow: []byte("f"), p.root + "/out/f": []byte("f"),
		p.root + "/etc/shadow": []byte("x"), p.policy: fmt.Appendf(nil, everywhere, dir), dir + "/text": []byte("no program"), p.root + "/text": []byte("no"),
	} {
		if err := os.WriteFile(name, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{dir + "/text", p.root + "/text"} {
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// run is `node-agent run` with this place's policy and log; flags come first.
func (p *place) run(flags []string, argv ...string) *exec.Cmd {
	args := append([]string{"run", "--policy", p.policy, "--log", p.log}, flags...)
	return exec.Command(nodeAgent, append(append(args, "--"), argv...)...)
}

// within runs a program gated in this process, on the host's root or, if root
// is given, in a container with it.
func (p *place) within(root, dir string, argv ...string) gated.Result {
	p.t.Helper()
	src, err := os.ReadFile(p.policy)
	if err != nil {
		p.t.Fatal(err)
	}
	return suite.Run(p.t, agent.RunOptions{Tables: gated.Policy(p.t, src, "", root != ""), LogDir: p.log, Root: root, Dir: dir, Argv: argv})
}

// end runs a command and returns its exit code and output.
func end(t *testing.T, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

func expect(t *testing.T, code int, cmd *exec.Cmd) (stdout, stderr string) {
	t.Helper()
	got, stdout, stderr := end(t, cmd)
	if got != code {
		t.Fatalf("%s: exit %d, want %d\n%s%s", strings.Join(cmd.Args, " "), got, code, stdout, stderr)
	}
	return stdout, stderr
}

// report is what the tests look at of `audit verify -o json`.
type report struct {
	Records    uint64            `json:"records"`
	TailBytes  int64             `json:"tail_bytes"`
	Verdicts   map[string]uint64 `json:"verdicts"`
	Recoveries []struct {
		Discarded uint64 `json:"discarded"`
	} `json:"recoveries"`
	Balance struct{ Seen, Declared, Unexplained, Open, Repeated uint64 } `json:"balance"`
}

func (p *place) verify(code int) report {
	p.t.Helper()
	out, _ := expect(p.t, code, exec.Command(nodeAgent, "audit", "verify", "--unanchored", "-o", "json", p.log))
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// record is a line of the log.
type record struct {
	Kind, Verdict, Action, Subject, Rule, Hook, Reason string
	Errno                                              int
	KTime                                              uint64
	Process                                            struct{ Exe string }
	Adopted                                            bool
}

func (p *place) records() []record {
	p.t.Helper()
	names, err := filepath.Glob(p.log + "/*.jsonl")
	if err != nil || len(names) == 0 {
		p.t.Fatalf("no log in %s: %v", p.log, err)
	}
	var out []record
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			p.t.Fatal(err)
		}
		for l := range bytes.Lines(b) {
			var r record
			if err := json.Unmarshal(l, &r); err != nil {
				p.t.Fatalf("%s: %v", l, err)
			}
			out = append(out, r)
		}
	}
	return out
}

// noGroups wants the cgroups of all runs to be gone, at once or soon.
func noGroups(t *testing.T, soon bool) {
	t.Helper()
	var left []string
	for range 3000 {
		var err error
		if left, err = filepath.Glob("/sys/fs/cgroup/safeclaw-*"); err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if !soon {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("cgroups are left: %v", left)
}

// programID loads and drops a BPF program that does nothing and returns its
// id. The kernel numbers programs one by one, so two ids that follow each other
// say that nobody loaded one in between.
func programID(t *testing.T) uint32 {
	t.Helper()
	insns := [2]uint64{0x00000000000000b7, 0x0000000000000095} // r0 = 0; exit
	license := [4]byte{'M', 'I', 'T', 0}
	load := struct {
		typ, n         uint32
		insns, license uint64
		rest           [96]byte
	}{typ: 1, n: 2, insns: uint64(uintptr(unsafe.Pointer(&insns))), license: uint64(uintptr(unsafe.Pointer(&license)))}
	fd, _, no := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&load)), unsafe.Sizeof(load))
	if no != 0 {
		t.Fatalf("load a BPF program: %v", no)
	}
	defer unix.Close(int(fd))
	var info [64]uint32
	query := struct {
		fd, n uint32
		info  uint64
	}{uint32(fd), uint32(unsafe.Sizeof(info)), uint64(uintptr(unsafe.Pointer(&info)))}
	_, _, no = unix.Syscall(unix.SYS_BPF, unix.BPF_OBJ_GET_INFO_BY_FD, uintptr(unsafe.Pointer(&query)), unsafe.Sizeof(query))
	if no != 0 {
		t.Fatalf("ask for a BPF program's id: %v", no)
	}
	runtime.KeepAlive(&insns)
	runtime.KeepAlive(&license)
	runtime.KeepAlive(&info)
	return info[1]
}

// TestPolicyError: a policy with an error is told with its place, and neither
// a program is loaded nor the command run.
func TestPolicyError(t *testing.T) {
	p := newPlace(t)
	src := "version: 1\nrules:\n  - id: x\n    action: file.raed\n    path: /x\n    decision: allow\n"
	if err := os.WriteFile(p.policy, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	marker := p.dir + "/out/marker"
	before := programID(t)
	_, said := expect(t, 2, p.run(nil, p.act, "touch", marker))
	if n := programID(t); n != before+1 {
		t.Errorf("%d BPF programs were loaded", n-before-1)
	}
	for _, want := range []string{p.policy + ":4:13: ", `"file.raed"`, "file.read", "not loaded"} {
		if !strings.Contains(said, want) {
			t.Errorf("the message lacks %s:\n%s", want, said)
		}
	}
	for _, name := range []string{marker, p.log} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s was made", name)
		}
	}
	noGroups(t, false)

	// The same of what else is wrong with the use.
	for _, args := range [][]string{
		{"run", "--policy", p.dir + "/nowhere.yaml", "--", p.act, "touch", marker},
		{"run", "--", p.act, "touch", marker},
		{"run", "--policy", p.policy},
		{"run", "--policy", p.policy, "--mode", "permissive", "--", p.act, "touch", marker},
		{"run", "--policy", p.policy, "--volume", "x", "--root", p.root, "--", "/act", "touch", marker},
	} {
		expect(t, 2, exec.Command(nodeAgent, args...))
	}
	if n := programID(t); n != before+2 {
		t.Errorf("%d BPF programs were loaded", n-before-2)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("the command was run")
	}
}

// TestOverlayRoot: on a container's root that is an overlay, as container
// runtimes make them, each open is one decision.
func TestOverlayRoot(t *testing.T) {
	p := newPlace(t)
	for _, d := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(p.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	merged := p.dir + "/merged"
	if err := unix.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%[1]s/root,upperdir=%[1]s/upper,workdir=%[1]s/work", p.dir)); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(merged, unix.MNT_DETACH) //nolint:errcheck // the guest ends soon
	for _, what := range []string{"open", "touch"} {
		p.log = t.TempDir() + "/log"
		p.within(merged, "", "/act", what, "/out/f").Ended(t, 0)
		n := 0
		for _, r := range p.records() {
			if strings.HasSuffix(r.Subject, "/out/f") {
				if n++; r.Subject != "/out/f" || r.Rule != "out" {
					t.Errorf("record %+v", r)
				}
			}
		}
		if n != 1 {
			t.Errorf("%s: %d records, want 1", what, n)
		}
	}
	if _, err := os.Stat(p.dir + "/upper/out/f"); err != nil {
		t.Errorf("nothing was copied up: %v", err)
	}
}

// start starts a run and waits until its program says that it is ready.
func start(t *testing.T, cmd *exec.Cmd) (out *bufio.Reader, said *bytes.Buffer) {
	t.Helper()
	pr, pw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pr.Close() })
	said = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = pw, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pw.Close()
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill() //nolint:errcheck // the test has failed already
			cmd.Wait()         //nolint:errcheck // likewise
		}
	})
	out = bufio.NewReader(pr)
	if l, err := out.ReadString('\n'); l != "ready\n" {
		t.Fatalf("the program said %q, %v\n%s", l, err, said)
	}
	return out, said
}

// rest reads until every holder of the pipe is gone.
func rest(t *testing.T, out *bufio.Reader) string {
	t.Helper()
	done := make(chan string, 1)
	go func() {
		b, err := io.ReadAll(out)
		if err != nil {
			b = append(b, err.Error()...)
		}
		done <- string(b)
	}()
	select {
	case s := <-done:
		return s
	case <-time.After(90 * time.Second):
		t.Fatal("the program or a child of it is still there")
		return ""
	}
}

// modes are a run on the host's root and one in a container; usually the latter
// alone, which meets all that the former does but the missing container.
func modes(t *testing.T, f func(t *testing.T, p *place, flags []string, act, denied string)) {
	t.Helper()
	if long() {
		t.Run("host", func(t *testing.T) {
			p := newPlace(t)
			f(t, p, nil, p.act, p.secret)
		})
	}
	t.Run("root", func(t *testing.T) {
		p := newPlace(t)
		f(t, p, []string{"--root", p.root}, "/act", "/etc/shadow")
	})
}

// Package outlive tests that enforcement outlives the agent: a canary inside a
// gated run tries all the time what it must not and what it may, while agents are
// killed and come again. It needs a kernel that enforces.
package outlive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	nodeAgent = "/usr/bin/node-agent"
	runStates = "/var/lib/safeclaw/runs"
	pinRoot   = "/sys/fs/bpf/safeclaw"
)

func TestMain(m *testing.M) {
	actMain()
	os.Exit(m.Run())
}

// run is a detached run with a canary in it.
type run struct {
	t             *testing.T
	name, log     string
	stop, output  string
	start         []string // node-agent's arguments that start it
	agent         int
	rnd           *rand.Rand
	resumed, slow time.Duration
}

func newRun(t *testing.T, name string) *run {
	t.Helper()
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: runs programs gated")
	}
	dir := t.TempDir()
	r := &run{t: t, name: name, log: dir + "/log", stop: dir + "/out/stop", rnd: rand.New(rand.NewPCG(uint64(os.Getpid()), 1))}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	policy := fmt.Sprintf(`version: 1
rules:
  - {id: out, action: file.*, path: "%[1]s/out/**", decision: allow}
  - {id: self, action: process.exec, path: "%[1]s/act", decision: allow}
  - {id: me, action: file.read, path: "%[1]s/act", decision: allow}
`, dir)
	for name, b := range map[string][]byte{"act": self, "secret": []byte("secret"), "out/f": []byte("f"), "policy.yaml": []byte(policy)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(runStates, name)); err == nil {
			r.command("uninstall", "--kill", name)
		}
	})
	r.start = []string{"run", "--policy", dir + "/policy.yaml", "--log", r.log, "--detach", "--name", name, "-o", "json", "--",
		dir + "/act", "canary", dir + "/secret", dir + "/out/f", dir + "/out/new", r.stop}
	return r
}

// begin starts the run.
func (r *run) begin() {
	t := r.t
	t.Helper()
	code, out, said := r.command(r.start...)
	if code != 0 {
		t.Fatalf("run --detach: exit %d\n%s", code, said)
	}
	r.take(out)
}

func (r *run) command(args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	cmd := exec.Command(nodeAgent, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	var ee *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ee) {
		r.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// take notes who records the run.
func (r *run) take(out string) {
	r.t.Helper()
	var d struct {
		Supervisor int `json:"supervisor_pid"`
		Output     string
		Notes      []string
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Supervisor == 0 || len(d.Notes) > 0 {
		r.t.Fatalf("%v\n%s", err, out)
	}
	r.agent, r.output = d.Supervisor, d.Output
}

// progress is said every ten deaths: many take their time.
func (r *run) progress(n, of int) {
	if n%10 != 0 {
		return
	}
	size := int64(0)
	files, err := filepath.Glob(r.log + "/*")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			size += st.Size()
		}
	}
	r.t.Logf("%d deaths of %d: an agent was back after %v, at most %v; the log has %d KiB",
		n, of, (r.resumed / time.Duration(n)).Round(time.Millisecond), r.slow.Round(time.Millisecond), size>>10)
}

// sleep is up to a time, mostly short.
func (r *run) sleep(most time.Duration) {
	time.Sleep(time.Duration(float64(most) * r.rnd.Float64() * r.rnd.Float64()))
}

func (r *run) kill() {
	r.t.Helper()
	if err := syscall.Kill(r.agent, syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
}

// resume starts an agent again. The one before may take a moment to be gone.
func (r *run) resume() {
	r.t.Helper()
	begin := time.Now()
	for {
		code, out, said := r.command("resume", "--detach", "-o", "json", r.name)
		if code == 0 {
			r.take(out)
			break
		}
		if code != 1 || !strings.Contains(said, "is recorded by") && !strings.Contains(said, "another agent holds") || time.Since(begin) > time.Minute {
			r.t.Fatalf("resume: exit %d\n%s", code, said)
		}
		time.Sleep(20 * time.Millisecond)
	}
	took := time.Since(begin)
	r.resumed += took
	r.slow = max(r.slow, took)
}

// halfResume starts an agent that is killed while it adopts.
func (r *run) halfResume() {
	r.t.Helper()
	cmd := exec.Command(nodeAgent, "resume", "--quiet", r.name)
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.sleep(3 * time.Second)
	if err := cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
}

// unexplained wants a log in which nothing is missing, torn or not.
func (r *run) unexplained(codes ...int) (declared, seen uint64) {
	r.t.Helper()
	code, out, said := r.command("audit", "verify", "--unanchored", "-o", "json", r.log)
	var rep struct {
		Balance struct{ Seen, Declared, Unexplained, Repeated uint64 }
	}
	if err := json.Unmarshal([]byte(out), &rep); err != nil {
		r.t.Fatalf("audit verify: exit %d, %v\n%s", code, err, said)
	}
	for _, c := range codes {
		if c == code && rep.Balance.Unexplained == 0 && rep.Balance.Repeated == 0 {
			return rep.Balance.Declared, rep.Balance.Seen
		}
	}
	r.t.Fatalf("audit verify: exit %d\n%s", code, out)
	return 0, 0
}

// over waits until the canary has stopped and its run removed itself, and wants
// nothing left and nothing leaked, broken or unexplained.
func (r *run) over(rounds int) {
	t := r.t
	t.Helper()
	if err := os.WriteFile(r.stop, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(runStates, r.name)
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(state); errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the run does not end")
		}
	}
	for _, f := range []string{filepath.Join(pinRoot, "run-"+r.name), "/sys/fs/cgroup/safeclaw-detached-" + r.name} {
		if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", f, err)
		}
	}
	b, err := os.ReadFile(r.output)
	if err != nil {
		t.Fatal(err)
	}
	var c counts
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatalf("the canary said %.300q", b)
	}
	declared, seen := r.unexplained(0)
	t.Logf("%d deaths: %d denied acts tried, %d succeeded; %d legitimate acts, %d failed; %d decisions recorded, %d declared lost; an agent was back after %v, at most %v",
		rounds, c.Denied+c.Leaks, c.Leaks, c.Allowed+c.Broken, c.Broken, seen, declared, (r.resumed / time.Duration(rounds)).Round(time.Millisecond), r.slow.Round(time.Millisecond))
	if c.Leaks != 0 || c.Broken != 0 || c.Denied < int64(10*rounds) || c.Allowed < int64(10*rounds) {
		t.Errorf("the canary: %+v", c)
	}
	// Records that retention has removed count among the seen.
	if seen+declared < uint64(c.Denied) {
		t.Errorf("%d denials, %d decisions recorded, %d declared lost", c.Denied, seen, declared)
	}
}

// TestKilledAgents: agents are killed at random, while they record, while they
// take over, at once again; the canary is never let through and never hindered,
// the log accounts for everything, and in the end nothing is left.
func TestKilledAgents(t *testing.T) {
	rounds := 6
	if os.Getenv("SAFECLAW_LONG") != "" {
		rounds = 200
	}
	r := newRun(t, "killed")
	r.begin()
	for n := range rounds {
		r.sleep(4 * time.Second)
		r.kill()
		if n%10 == 5 {
			r.unexplained(0, 2)
		}
		r.sleep(time.Second)
		if n%3 == 1 {
			r.halfResume()
		}
		r.resume()
		r.progress(n+1, rounds)
	}
	r.over(rounds)
}

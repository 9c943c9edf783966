package agent

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sampleState() *RunState {
	return &RunState{
		Name: "one", Argv: []string{"/bin/x", "a\nb"}, Started: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC), Log: "/l", Output: "/l.out", Node: "n",
		Build: "v", Policy: "p.yaml", Baseline: "runtime", Cgroup: "/sys/fs/cgroup/x", CgroupID: 7, Slot: 3, TableID: tableID(0xabc), PID: 9,
	}
}

// TestRunState: what is saved is read; whatever is wrong with it is said, by its path.
func TestRunState(t *testing.T) {
	root := filepath.Join(t.TempDir(), "runs")
	d, err := createRunDir(root, "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.save(sampleState()), d.write(policyFile, []byte(source))); err != nil {
		t.Fatal(err)
	}
	got, err := readState(d.dir)
	if diff := cmp.Diff(sampleState(), got, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Version" }, cmp.Ignore())); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for name, mode := range map[string]os.FileMode{root: 0o700, d.dir: 0o700, d.path(stateFile): 0o600, d.path(policyFile): 0o600, d.path(lockFile): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	p, err := d.policy(got)
	if err != nil || string(p.Source) != source || p.Name != "p.yaml" || p.Baseline != "runtime" {
		t.Errorf("%+v, %v", p, err)
	}
	first, err := p.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.Compile(); err != nil || again.ID != first.ID {
		t.Errorf("compiled again: %v, %v", again, err)
	}
	for text, want := range map[string]string{
		"":                           "damaged",
		"{":                          "damaged",
		`{"version": 9}`:             "of version 9",
		`{"version": 1}`:             "of another run",
		`{"version":1,"name":"one"}`: "names no audit log",
	} {
		if err := os.WriteFile(d.path(stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var se *StateError
		if _, err := readState(d.dir); !errors.As(err, &se) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), d.path(stateFile)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if err := os.Remove(d.path(stateFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(d.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no state: %v", err)
	}
	if err := d.remove(); err != nil {
		t.Fatal(err)
	}
	if names, err := stateNames(root); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
}

// TestRunLock: a run has one agent; who asks does not get in its way, and a dead
// agent's lock is free.
func TestRunLock(t *testing.T) {
	root := t.TempDir()
	d, err := createRunDir(root, "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := createRunDir(root, "one"); !errors.Is(err, ErrRunExists) || !strings.Contains(err.Error(), "uninstall one") {
		t.Errorf("created twice: %v", err)
	}
	if pid, alive, seen := agentOf(root, "one"); pid != os.Getpid() || !alive || time.Since(seen) > time.Minute {
		t.Errorf("agent %d, alive %v, seen %v", pid, alive, seen)
	}
	var busy *InUseError
	if _, err := openRunDir(root, "one"); !errors.As(err, &busy) || busy.PID != os.Getpid() || busy.Name != "one" {
		t.Errorf("opened twice: %v", err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(d.path(lockFile), old, old); err != nil {
		t.Fatal(err)
	}
	if err := d.touch(); err != nil {
		t.Fatal(err)
	}
	if _, _, seen := agentOf(root, "one"); time.Since(seen) > time.Minute {
		t.Errorf("seen %v", seen)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if pid, alive, _ := agentOf(root, "one"); pid != os.Getpid() || alive {
		t.Errorf("a dead agent: %d, alive %v", pid, alive)
	}
	if _, err := openRunDir(root, "two"); !errors.Is(err, ErrNoState) {
		t.Errorf("none: %v", err)
	}
	d, err = openRunDir(root, "one")
	if err != nil {
		t.Fatal(err)
	}
	// The programs that an agent starts do not keep its lock.
	if err := keepDescriptors(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	if _, alive, _ := agentOf(root, "one"); alive {
		t.Error("the lock lives in a program that the agent started")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
}

func TestRunNames(t *testing.T) {
	for program, want := range map[string]string{
		"/usr/bin/python3.12": "python312-", "/x/_": "run-", "A very long name of a program": "averylongnameofaprog-", "../..": "run-",
	} {
		got, err := NewRunName(program)
		if err != nil || !strings.HasPrefix(got, want) || CheckRunName(got) != nil {
			t.Errorf("%q: %q, %v, want %q", program, got, err, want)
		}
	}
	for _, bad := range []string{"", "-x", "a/b", "..", "A", "a b", strings.Repeat("a", 49), "a\n"} {
		if err := CheckRunName(bad); err == nil {
			t.Errorf("%q is a name", bad)
		}
	}
	if n, ok := instanceOf("/sys/fs/bpf/safeclaw/run-a-b"); n != "a-b" || !ok {
		t.Errorf("%q, %v", n, ok)
	}
	for _, other := range []string{"node", "run-", "run"} {
		if n, ok := instanceOf(other); ok {
			t.Errorf("%q is the run %q", other, n)
		}
	}
}

func TestSavedNames(t *testing.T) {
	d, err := createRunDir(t.TempDir(), "one")
	if err != nil {
		t.Fatal(err)
	}
	defer d.close() //nolint:errcheck // a test's
	n, got := newNames(), newNames()
	if err := d.loadNames(got); err != nil || got.changed {
		t.Errorf("nothing saved: %v", err)
	}
	n.put(1<<63, []byte("/bin/\xff"))
	n.put(2, []byte("/bin/b"))
	if !n.changed {
		t.Error("unchanged")
	}
	if err := d.saveNames(n); err != nil || n.changed {
		t.Error(err, n.changed)
	}
	n.put(2, []byte("/bin/b"))
	if n.changed {
		t.Error("a known name is a change")
	}
	if err := d.loadNames(got); err != nil || string(got.get(1<<63)) != "/bin/\xff" || string(got.get(2)) != "/bin/b" {
		t.Error(err, got)
	}
	for i := range uint64(namesKept + 10) {
		n.put(i, []byte("x"))
	}
	if len(n.copy(namesKept)) != namesKept {
		t.Error("more than so many")
	}
	if err := os.WriteFile(d.path(namesFile), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.loadNames(got); err == nil {
		t.Error("damaged names were read")
	}
}

func TestResumeName(t *testing.T) {
	run := func(name, pins string, alive bool) RunStatus {
		return RunStatus{Name: name, Pins: pins, Agent: AgentStatus{Alive: alive}, instance: true}
	}
	recorded, gone, one, two := run("a", "/p", true), run("b", "", false), run("c", "/p", false), run("d", "/p", false)
	if n, err := ResumeName([]RunStatus{recorded, gone, one}); n != "c" || err != nil {
		t.Errorf("%q, %v", n, err)
	}
	if _, err := ResumeName([]RunStatus{recorded, gone}); err == nil {
		t.Error("there was one to resume")
	}
	if _, err := ResumeName([]RunStatus{one, two}); err == nil || !strings.Contains(err.Error(), "c, d") {
		t.Errorf("which: %v", err)
	}
}

package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Runs that outlive the tool.

const (
	runStates = "/var/lib/safeclaw/runs"
	pinRoot   = "/sys/fs/bpf/safeclaw"
)

// detached is what `run --detach -o json` says.
type detached struct {
	Name       string
	Program    int `json:"program_pid"`
	Supervisor int `json:"supervisor_pid"`
	How        string
	Cgroup     string
	Log        string
	Output     string
	Notes      []string
}

// status is what `status -o json` says of a run.
type status struct {
	Name, State string
	Agent       struct {
		PID   int
		Alive bool
	}
	Tasks    int
	Bindings []struct{ Path, Policy string }
	Problems []string
}

// detach starts a run that is removed at the test's end, whatever became of it.
func (p *place) detach(name string, flags []string, argv ...string) detached {
	p.t.Helper()
	p.t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(runStates, name)); err == nil {
			end(p.t, exec.Command(nodeAgent, "uninstall", "--kill", name))
		}
	})
	out, _ := expect(p.t, 0, p.run(append([]string{"--detach", "--name", name, "-o", "json"}, flags...), argv...))
	return parseJSON[detached](p.t, out)
}

func parseJSON[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

// status is what node-agent says of a run, and its exit code.
func runStatus(t *testing.T, name string) (status, int) {
	t.Helper()
	code, out, said := end(t, exec.Command(nodeAgent, "status", "-o", "json"))
	if code != 0 && code != 1 {
		t.Fatalf("status: exit %d\n%s", code, said)
	}
	for _, s := range parseJSON[[]status](t, out) {
		if s.Name == name {
			return s, code
		}
	}
	return status{}, code
}

func killAgent(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the agent is dead", func() bool {
		b, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "stat"))
		return err != nil || strings.Contains(string(b), ") Z ")
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it does not become true that %s", what)
}

// nothingLeft wants no pins, cgroup and state of a run.
func nothingLeft(t *testing.T, name string) {
	t.Helper()
	for _, f := range []string{filepath.Join(runStates, name), filepath.Join(pinRoot, "run-"+name), "/sys/fs/cgroup/safeclaw-detached-" + name} {
		if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", f, err)
		}
	}
}

// canary checks what a canary said: it tried, was never let through, and never
// hindered in what it may.
func canary(t *testing.T, output string) {
	t.Helper()
	b, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); !strings.Contains(s, "over after ") || strings.Contains(s, "LEAK") || strings.Contains(s, "BROKEN") {
		t.Errorf("the canary said: %.300q", s)
	}
}

// TestDetach: the gate outlives the tool, its supervisor's SIGKILL and a time
// without any agent; a resumed agent accounts for all of it in the same log; when
// the program has ended nothing is left but the log.
func TestDetach(t *testing.T) {
	needGuest(t)
	modes(t, func(t *testing.T, p *place, flags []string, act, denied string) {
		name := strings.ToLower(strings.ReplaceAll(filepath.Base(t.Name()), "_", "-"))
		allowed, stop := p.allow, p.dir+"/out/stop"
		hostStop := stop
		if act != p.act {
			allowed, stop, hostStop = "/out/f", "/out/stop", p.root+"/out/stop"
		}
		d := p.detach(name, flags, act, "canary", denied, allowed, stop)
		if d.Name != name || d.Log != p.log || d.Program == 0 || d.Cgroup == "" {
			t.Errorf("it said %+v", d)
		}
		s, code := runStatus(t, name)
		if s.State != "enforced" || code != 0 || s.Tasks == 0 || !s.Agent.Alive || s.Agent.PID != d.Supervisor ||
			len(s.Bindings) != 1 || s.Bindings[0].Path != d.Cgroup || s.Bindings[0].Policy != p.policy {
			t.Errorf("status %d: %+v", code, s)
		}
		_, said := expect(t, 1, exec.Command(nodeAgent, "resume", "--detach", name))
		if !strings.Contains(said, "recorded by process "+itoa(d.Supervisor)) {
			t.Errorf("a second agent was told: %s", said)
		}
		expect(t, 1, exec.Command(nodeAgent, "uninstall", name))

		killAgent(t, d.Supervisor)
		if s, code := runStatus(t, name); s.State != "unattended" || code != 1 || s.Agent.Alive || s.Tasks == 0 {
			t.Errorf("status %d: %+v", code, s)
		}
		if r := p.verifyAny(); r.Balance.Unexplained != 0 {
			t.Errorf("after the agent's death: %+v", r)
		}
		time.Sleep(time.Second)
		out, _ := expect(t, 0, exec.Command(nodeAgent, "resume", "--detach", "-o", "json"))
		again := parseJSON[detached](t, out)
		if again.Name != name || again.How != "adopted" || len(again.Notes) > 0 {
			t.Errorf("resumed: %+v", again)
		}
		if s, code := runStatus(t, name); s.State != "enforced" || code != 0 || s.Agent.PID != again.Supervisor {
			t.Errorf("status %d: %+v", code, s)
		}
		if err := os.WriteFile(hostStop, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the run is over", func() bool {
			_, err := os.Stat(filepath.Join(runStates, name))
			return errors.Is(err, os.ErrNotExist)
		})
		nothingLeft(t, name)
		canary(t, d.Output)
		r := p.verify(0)
		if r.Balance.Unexplained != 0 || r.Verdicts["deny"] < 20 {
			t.Errorf("%+v", r)
		}
		var starts, adopted int
		for _, rec := range p.records() {
			if rec.Kind == "agent.start" {
				starts++
				if rec.Adopted {
					adopted++
				}
			}
			if rec.Verdict == "deny" && (rec.Rule == "" || strings.Contains(rec.Rule, "unknown tables")) {
				t.Errorf("a record without a rule's name: %+v", rec)
				break
			}
		}
		if starts != 2 || adopted != 1 {
			t.Errorf("%d starts, %d adopted", starts, adopted)
		}
	})
}

// verifyAny is the report on a log that an agent's death may have torn.
func (p *place) verifyAny() report {
	p.t.Helper()
	code, out, said := end(p.t, exec.Command(nodeAgent, "audit", "verify", "--unanchored", "-o", "json", p.log))
	if code != 0 && code != 2 {
		p.t.Fatalf("audit verify: exit %d\n%s%s", code, out, said)
	}
	return parseJSON[report](p.t, out)
}

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestStatus: the program's status is that of the run, whatever it is, and
// node-agent's own.
func TestStatus(t *testing.T) {
	p := newPlace(t)
	for _, tt := range []struct {
		name    string
		root    string
		dir     string
		argv    []string
		code    int
		process bool // by node-agent too
	}{
		{"zero", "", "", []string{p.act, "exit", "0"}, 0, false},
		{"255", "", "", []string{p.act, "exit", "255"}, 255, false},
		{"killed", "", "", []string{p.act, "signal", "9"}, 137, true},
		{"terminated", "", "", []string{p.act, "signal", "15"}, 143, false},
		{"missing", "", "", []string{p.dir + "/nothing"}, 127, false},
		{"missing in PATH", "", "", []string{"no-such-program"}, 127, false},
		{"not executable", "", "", []string{p.dir + "/text"}, 126, false},
		{"root, seven", p.root, "", []string{"/act", "exit", "7"}, 7, false},
		{"root, missing", p.root, "", []string{"/nothing"}, 127, true},
		{"root, missing in PATH", p.root, "", []string{"no-such-program"}, 127, false},
		{"root, missing in the container alone", p.root, "", []string{p.act}, 127, false},
		{"root, not executable", p.root, "", []string{"/text"}, 126, false},
		{"root, no such working directory", p.root, "/nothing", []string{"/act", "exit", "0"}, 127, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.t, p.log = t, t.TempDir()+"/log"
			unstarted := tt.code == 126 || tt.code == 127
			res := p.within(tt.root, tt.dir, tt.argv...)
			res.Ended(t, tt.code)
			if (res.StartErr != nil) != unstarted {
				t.Errorf("start: %v", res.StartErr)
			}
			if n := res.Report.Balance.Unexplained; n != 0 {
				t.Errorf("%d decisions are unexplained", n)
			}
			noGroups(t, false)
			if !tt.process && !long() {
				return
			}
			p.log = t.TempDir() + "/log"
			flags := []string{"--quiet"}
			if tt.root != "" {
				flags = append(flags, "--root", tt.root)
			}
			if tt.dir != "" {
				flags = append(flags, "--workdir", tt.dir)
			}
			_, said := expect(t, tt.code, p.run(flags, tt.argv...))
			if strings.Contains(said, "did not start") != unstarted || !unstarted && said != "" {
				t.Errorf("node-agent --quiet said:\n%s", said)
			}
			if r := p.verify(0); r.Balance.Unexplained != 0 {
				t.Errorf("%d decisions are unexplained", r.Balance.Unexplained)
			}
			noGroups(t, false)
		})
	}
}

// TestDenied: what a run is for, both ways: a denial that is printed, with the
// rule, and the same under observe, where it is recorded only.
func TestDenied(t *testing.T) {
	p := newPlace(t)
	ways := 2 // the flag against the policy, either way
	if long() {
		ways = 4
	}
	for _, tt := range []struct {
		head          string
		flags         []string
		code          int
		word, verdict string
	}{
		{"", []string{"--mode", "observe"}, 0, "would deny", "would-deny"},
		{"mode: observe\n", []string{"--mode", "enforce"}, int(syscall.EACCES), "denied", "deny"},
		{"", nil, int(syscall.EACCES), "denied", "deny"},
		{"mode: observe\n", nil, 0, "would deny", "would-deny"},
	}[:ways] {
		p.log = t.TempDir() + "/log"
		if err := os.WriteFile(p.policy, fmt.Appendf([]byte(tt.head), everywhere, p.dir), 0o600); err != nil {
			t.Fatal(err)
		}
		_, said := expect(t, tt.code, p.run(tt.flags, p.act, "open", p.secret))
		if line := regexp.MustCompile(`safeclaw: ` + tt.word + ` file\.read ` + p.secret + ` by act\[\d+\] uid 0 \(rule default\)`); !line.MatchString(said) {
			t.Errorf("%v: node-agent said:\n%s", tt.flags, said)
		}
		n := 0
		for _, r := range p.records() {
			if r.Subject == p.secret && r.Verdict == tt.verdict && r.Rule == "default" && r.Hook == "file_open" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%v: %d records of it", tt.flags, n)
		}
		p.verify(0)
	}
}

func TestDoctor(t *testing.T) {
	needGuest(t)
	out, _ := expect(t, 0, exec.Command(nodeAgent, "doctor"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 7 {
		t.Errorf("%d lines, want 7:\n%s", len(lines), out)
	}
	for _, l := range lines {
		if !strings.HasPrefix(l, "ok  ") {
			t.Errorf("line %q", l)
		}
	}
	noGroups(t, false)
	if long() {
		doctorJSON(t)
	}

	// Who may not load programs is told so, and nothing claims to be well.
	cmd := exec.Command(nodeAgent, "doctor")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	out, _ = expect(t, 3, cmd)
	if !strings.Contains(out, "FAIL  privileges") || !strings.Contains(out, "what to do: run as root") || !strings.Contains(out, "FAIL  programs") {
		t.Errorf("as user 1000:\n%s", out)
	}
}

func doctorJSON(t *testing.T) {
	t.Helper()
	out, _ := expect(t, 0, exec.Command(nodeAgent, "doctor", "-o", "json"))
	var checks []struct {
		Name, Detail string
		OK           bool
		Do           string
	}
	if err := json.Unmarshal([]byte(out), &checks); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range checks {
		names = append(names, c.Name)
		if !c.OK || c.Detail == "" || c.Do != "" {
			t.Errorf("check %+v", c)
		}
	}
	if got := strings.Join(names, ", "); got != "kernel, privileges, active LSMs, kernel BTF, cgroup v2, probe, programs" {
		t.Errorf("checks: %s", got)
	}
}

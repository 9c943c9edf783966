package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// said is what a watching program has printed.
func said(t *testing.T, output string) string {
	t.Helper()
	b, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// switches are the log's records of the off switch, in words.
func (p *place) switches() string {
	p.t.Helper()
	var out []string
	for _, r := range p.whole() {
		if r.Kind == "disabled" || r.Kind == "enabled" {
			out = append(out, r.Kind+" "+r.Reason)
		}
	}
	return strings.Join(out, ", ")
}

// TestCare: the off switch ends by itself and is in the log, also when no agent
// lived meanwhile; lost state costs the names of rules and nothing else; who
// uninstalls is told what goes, and what runs on ungated.
func TestCare(t *testing.T) {
	p := newPlace(t)
	const name = "care"
	d := p.detach(name, nil, p.act, "watch", p.secret, p.dir+"/out/stop")
	eventually(t, "the secret is denied", func() bool { return said(t, d.Output) == "D" })

	expect(t, 2, exec.Command(nodeAgent, "disable", "--run", name, "--for", "2s"))
	expect(t, 2, exec.Command(nodeAgent, "disable", "--run", "other", "--for", "2s", "--reason", "test"))
	expect(t, 2, exec.Command(nodeAgent, "disable", "--cgroup", "/sys/fs/cgroup", "--for", "2s", "--reason", "test"))
	expect(t, 0, exec.Command(nodeAgent, "disable", "--run", name, "--for", "4s", "--reason", "incident 7"))
	if _, code := runStatus(t, name); code != 1 {
		t.Errorf("status ends with %d while enforcement is off", code)
	}
	eventually(t, "it is off", func() bool { return said(t, d.Output) == "DA" })
	eventually(t, "it is on again by itself", func() bool { return said(t, d.Output) == "DAD" })
	eventually(t, "both are in the log", func() bool { return p.switches() == "disabled incident 7, enabled expired" })

	killAgent(t, d.Supervisor)
	expect(t, 0, exec.Command(nodeAgent, "disable", "--cgroup", d.Cgroup, "--for", "1h", "--reason", "nobody looks"))
	eventually(t, "it is off", func() bool { return said(t, d.Output) == "DADA" })
	expect(t, 0, exec.Command(nodeAgent, "enable", "--run", name, "--reason", "somebody does"))
	eventually(t, "it is on again", func() bool { return said(t, d.Output) == "DADAD" })
	if s := p.switches(); strings.Contains(s, "nobody looks") {
		t.Errorf("who recorded %s?", s)
	}

	// The state is lost.
	if err := os.WriteFile(filepath.Join(runStates, name, "run.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, code := runStatus(t, name); code != 1 || s.State != "unattended" || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "damaged") {
		t.Errorf("status %d: %+v", code, s)
	}
	_, why := expect(t, 125, exec.Command(nodeAgent, "resume", "--detach", name))
	if !strings.Contains(why, "node-agent resume --log DIR "+name) {
		t.Errorf("it does not say what to do: %s", why)
	}
	out, _ := expect(t, 0, exec.Command(nodeAgent, "resume", "--detach", "-o", "json", "--log", p.log, name))
	again := parseJSON[detached](t, out)
	if len(again.Notes) != 2 || !strings.Contains(strings.Join(again.Notes, " "), "numbers of rules") || again.Cgroup != d.Cgroup {
		t.Errorf("resumed: %+v", again)
	}
	if s := p.switches(); s != "disabled incident 7, enabled expired, disabled nobody looks, enabled somebody does" {
		t.Errorf("the log has: %s", s)
	}
	eventually(t, "a denial is recorded without a rule's name", func() bool {
		all := p.whole()
		for i := len(all) - 1; i >= 0; i-- {
			if all[i].Verdict == "deny" {
				return strings.Contains(all[i].Rule, "of unknown tables")
			}
		}
		return false
	})

	_, why = expect(t, 1, exec.Command(nodeAgent, "uninstall", name))
	if !strings.Contains(why, "--kill") || !strings.Contains(why, "ungated") {
		t.Errorf("it refused with: %s", why)
	}
	killAgent(t, again.Supervisor)
	expect(t, 0, exec.Command(nodeAgent, "disable", "--run", name, "--for", "1h", "--reason", "before the end"))
	out, _ = expect(t, 0, exec.Command(nodeAgent, "uninstall", "--force", name))
	if s := p.switches(); !strings.HasSuffix(s, ", disabled before the end") {
		t.Errorf("the log has: %s", s)
	}
	if !strings.Contains(out, "UNGATED") || !strings.Contains(out, "removed "+filepath.Join(pinRoot, "run-"+name)) {
		t.Errorf("it said: %s", out)
	}
	eventually(t, "the program goes on ungated", func() bool { return said(t, d.Output) == "DADADA" })
	if r := p.verify(0); r.Balance.Unexplained != 0 {
		t.Errorf("%+v", r)
	}
	if err := syscall.Kill(d.Program, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its cgroup is empty", func() bool { return os.Remove(d.Cgroup) == nil })
	nothingLeft(t, name)
}

// TestDetachRefused: a program that does not start leaves nothing, nor does a
// name that is taken; killing a run removes it and says so.
func TestDetachRefused(t *testing.T) {
	p := newPlace(t)
	_, why := expect(t, 127, p.run([]string{"--detach", "--name", "none", "--root", p.root}, "/nothing"))
	if !strings.Contains(why, "/nothing") {
		t.Errorf("it said: %s", why)
	}
	nothingLeft(t, "none")
	p.verify(0)
	expect(t, 2, p.run([]string{"--detach", "--name", "../x"}, p.act, "exit", "0"))
	expect(t, 2, exec.Command(nodeAgent, "resume", "none"))
	expect(t, 2, exec.Command(nodeAgent, "uninstall", "none"))
	expect(t, 2, exec.Command(nodeAgent, "uninstall"))

	d := p.detach("taken", nil, p.act, "leave", p.secret)
	_, why = expect(t, 2, p.run([]string{"--detach", "--name", "taken"}, p.act, "exit", "0"))
	if !strings.Contains(why, "there is a run of this name") {
		t.Errorf("it said: %s", why)
	}
	// The program has ended; what it left is gated and keeps the run alive.
	eventually(t, "the program has ended", func() bool {
		_, err := os.Stat(filepath.Join("/proc", itoa(d.Program)))
		return errors.Is(err, os.ErrNotExist)
	})
	if s, _ := runStatus(t, "taken"); s.State != "enforced" || s.Tasks != 1 {
		t.Errorf("%+v", s)
	}
	out, _ := expect(t, 0, exec.Command(nodeAgent, "uninstall", "--kill", "taken"))
	if !strings.Contains(out, "1 gated tasks were killed") {
		t.Errorf("it said: %s", out)
	}
	nothingLeft(t, "taken")
	if strings.Contains(said(t, d.Output), "LEAK") {
		t.Error("what the program left was let through")
	}
	if r := p.verify(0); r.Balance.Unexplained != 0 || r.Verdicts["deny"] == 0 {
		t.Errorf("%+v", r)
	}
	if out, _ := expect(t, 0, exec.Command(nodeAgent, "status")); !strings.Contains(out, "nothing is pinned") {
		t.Errorf("status: %s", out)
	}
}

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How runs end: signals, what is left running, SIGKILL, a log in use.

// TestTerm: SIGTERM reaches the program, and its status node-agent's caller.
func TestTerm(t *testing.T) {
	needGuest(t)
	modes(t, func(t *testing.T, p *place, flags []string, act, _ string) {
		cmd := p.run(flags, act, "trap")
		start(t, cmd)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() //nolint:errcheck // its code is looked at
		if c := cmd.ProcessState.ExitCode(); c != 42 {
			t.Errorf("exit %d, want the program's 42", c)
		}
		p.verify(0)
		noGroups(t, false)
	})
}

// programs counts the BPF programs in the kernel.
func programs(t *testing.T) (n int) {
	t.Helper()
	const nextProgram = 11 // BPF_PROG_GET_NEXT_ID
	attr := struct{ start, next, flags uint32 }{}
	for ; ; n++ {
		_, _, no := unix.Syscall(unix.SYS_BPF, nextProgram, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
		if no == unix.ENOENT {
			return n
		}
		if no != 0 {
			t.Fatal(no)
		}
		attr.start = attr.next
	}
}

// TestBackground: what the program leaves running ends with the run, and the
// gate's programs leave the kernel by themselves.
func TestBackground(t *testing.T) {
	needGuest(t)
	var before int
	eventually(t, "the programs of the runs before are gone", func() bool {
		n := programs(t)
		less := n >= before && before != 0
		before = n
		time.Sleep(time.Second)
		return less || n == 0
	})
	modes(t, func(t *testing.T, p *place, flags []string, act, denied string) {
		cmd := p.run(flags, act, "leave", denied)
		out, said := start(t, cmd)
		if n := programs(t); n <= before {
			t.Errorf("%d programs while a run is gated, %d before", n, before)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
		noGroups(t, false)
		if s := rest(t, out); s != "" {
			t.Errorf("it opened the file: %.100q", s)
		}
		p.verify(0)
		eventually(t, "the gate's programs are gone", func() bool { return programs(t) <= before })
	})
}

// TestKilled: SIGKILL of node-agent, while the program and its children try to
// open a file that is denied: none of them ever succeeds, all die, no cgroup is
// left, and the log verifies and takes the next run.
func TestKilled(t *testing.T) {
	needGuest(t)
	modes(t, func(t *testing.T, p *place, flags []string, act, denied string) {
		rounds := []int{0, 2}
		if long() {
			rounds = []int{0, 1, 2}
		}
		for _, round := range rounds {
			cmd := p.run(flags, act, "spin", denied)
			out, _ := start(t, cmd)
			time.Sleep(time.Duration(round) * 700 * time.Millisecond)
			// In the last round the one who cleans up comes late: it is what
			// holds the programs in the kernel meanwhile.
			var guard *os.Process
			if round == 2 {
				guard = guardOf(t, cmd.Process.Pid)
				if err := guard.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if guard != nil {
				time.Sleep(3 * time.Second)
				if err := guard.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
			}
			if s := rest(t, out); s != "" {
				t.Fatalf("round %d: ungated: %.100q", round, s)
			}
			cmd.Wait() //nolint:errcheck // it was killed
			noGroups(t, true)

			tail := p.tail()
			before := len(p.recoveries())
			p.next(act)
			r := p.verify(0)
			if want := before + min(1, int(tail)); len(r.Recoveries) != want {
				t.Errorf("round %d: %d recoveries, want %d: %d bytes were after the last commit", round, len(r.Recoveries), want, tail)
			}
			// Killed at once, it had no time to write what it saw.
			if round == 2 && r.Verdicts["deny"] == 0 || r.Balance.Unexplained != 0 {
				t.Errorf("round %d: %+v", round, r)
			}
		}
		p.torn(act)
	})
}

// next is a run that goes on with the log.
func (p *place) next(act string) {
	p.t.Helper()
	root := ""
	if act != p.act {
		root = p.root
	}
	p.within(root, "", act, "exit", "0").Ended(p.t, 0)
}

// guardOf is the process that a run started to clean up after it.
func guardOf(t *testing.T, parent int) *os.Process {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil || !bytes.Contains(b, []byte("\x00run-guard\x00")) {
			continue
		}
		stat, err := os.ReadFile(filepath.Dir(n) + "/stat")
		if err != nil {
			continue
		}
		var pid, ppid int
		var state string
		// The name in parentheses has no space in it.
		if _, err := fmt.Sscanf(string(stat), "%d (node-agent) %1s %d", &pid, &state, &ppid); err != nil {
			// It was started as /proc/self/exe.
			if _, err := fmt.Sscanf(string(stat), "%d (exe) %1s %d", &pid, &state, &ppid); err != nil {
				t.Fatalf("%s: %v", stat, err)
			}
		}
		if ppid == parent {
			p, err := os.FindProcess(pid)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	t.Fatal("the run has no guard")
	return nil
}

// tail is how many bytes are after the log's last commit; more is a failure.
func (p *place) tail() int64 {
	p.t.Helper()
	code, out, said := end(p.t, exec.Command(nodeAgent, "audit", "verify", "--unanchored", "-o", "json", p.log))
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 && code != 2 {
		p.t.Fatalf("audit verify: exit %d, %v\n%s", code, err, said)
	}
	return r.TailBytes
}

func (p *place) recoveries() []record {
	p.t.Helper()
	var out []record
	for _, r := range p.whole() {
		if r.Kind == "recovery" {
			out = append(out, r)
		}
	}
	return out
}

// whole are the log's records as far as they are whole.
func (p *place) whole() []record {
	p.t.Helper()
	names, err := filepath.Glob(p.log + "/*.jsonl")
	if err != nil {
		p.t.Fatal(err)
	}
	var out []record
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			p.t.Fatal(err)
		}
		for l := range bytes.Lines(b) {
			var r record
			if json.Unmarshal(l, &r) == nil {
				out = append(out, r)
			}
		}
	}
	return out
}

// torn: half a record at the end, as a power cut leaves it, is set aside.
func (p *place) torn(act string) {
	p.t.Helper()
	names, err := filepath.Glob(p.log + "/*.jsonl")
	if err != nil || len(names) == 0 {
		p.t.Fatal(names, err)
	}
	f, err := os.OpenFile(names[len(names)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = f.WriteString(`{"v":1,"seq":`)
	if err = errors.Join(err, f.Close()); err != nil {
		p.t.Fatal(err)
	}
	before := len(p.recoveries())
	if r := p.verify(2); r.TailBytes == 0 {
		p.t.Error("the torn end went unseen")
	}
	p.next(act)
	if r := p.verify(0); len(r.Recoveries) != before+1 || r.Recoveries[before].Discarded == 0 {
		p.t.Errorf("recoveries %+v, want %d", r.Recoveries, before+1)
	}
}

// TestSweep: a cgroup that a dead run left, its guard killed as well, goes with
// the next run; that of a process that lives stays.
func TestSweep(t *testing.T) {
	p := newPlace(t)
	const dead, alive = "/sys/fs/cgroup/safeclaw-run-4194305", "/sys/fs/cgroup/safeclaw-run-1" // beyond the largest pid; init
	for _, d := range []string{dead, dead + "/below", alive} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	left := exec.Command(p.act, "signal", "0")
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dead+"/below/cgroup.procs", fmt.Append(nil, left.Process.Pid), 0); err != nil {
		t.Fatal(err)
	}
	p.within("", "", p.act, "exit", "0").Ended(t, 0)
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dead, err)
	}
	left.Wait() //nolint:errcheck // how it ended is looked at
	if ws := left.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Errorf("what a dead run left ended by %v", left.ProcessState)
	}
	if err := os.Remove(alive); err != nil {
		t.Error(err)
	}
}

// TestLogInUse: two runs cannot write one log; the second runs nothing.
func TestLogInUse(t *testing.T) {
	p := newPlace(t)
	cmd := p.run(nil, p.act, "trap")
	start(t, cmd)
	marker := p.dir + "/out/marker"
	if res := p.within("", "", p.act, "touch", marker); res.Err == nil {
		t.Error("two runs wrote one log")
	}
	if long() {
		expect(t, 125, p.run(nil, p.act, "touch", marker))
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("it ran without a log")
	}
	// A log of its own is all that it needs.
	first := p.log
	p.log = p.dir + "/log2"
	p.within("", "", p.act, "touch", marker).Ended(t, 0)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // its code is looked at
	if c := cmd.ProcessState.ExitCode(); c != 42 {
		t.Errorf("exit %d: another run disturbed this one", c)
	}
	p.log = first
	p.verify(0)
}

package outlive

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// supervisorOf is the process that records a run whose start is under way, once
// there is one.
func (r *run) supervisorOf(parent int) int {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		names, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			r.t.Fatal(err)
		}
		for _, n := range names {
			b, _ := os.ReadFile(n)
			stat, _ := os.ReadFile(filepath.Dir(n) + "/stat")
			_, rest, _ := strings.Cut(string(stat), ") ")
			f := strings.Fields(rest)
			if !bytes.Contains(b, []byte("run-supervisor")) || len(f) < 2 || f[1] != strconv.Itoa(parent) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(n)))
			if err != nil {
				r.t.Fatal(err)
			}
			return pid
		}
	}
	r.t.Fatal("the run has no supervisor")
	return 0
}

// TestKilledStart: agents are killed while they start a run. Either there is no
// program then, or it is gated; what is left can be seen and removed.
func TestKilledStart(t *testing.T) {
	rounds := 2
	if os.Getenv("SAFECLAW_LONG") != "" {
		rounds = 40
	}
	r := newRun(t, "starting")
	states := map[string]int{}
	for n := range rounds {
		r.log = t.TempDir() + "/log"
		for i, a := range r.start {
			if a == "--log" {
				r.start[i+1] = r.log
			}
		}
		cmd := exec.Command(nodeAgent, r.start...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		agent := r.supervisorOf(cmd.Process.Pid)
		most := 12 * time.Second
		if n%2 == 1 { // what comes once the programs are in force
			most = 2 * time.Second
			for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				if sets, err := filepath.Glob(filepath.Join(pinRoot, "run-"+r.name, "gen-*")); err != nil || len(sets) > 0 {
					break
				}
			}
		}
		time.Sleep(time.Duration(r.rnd.Int64N(int64(most))))
		if err := syscall.Kill(agent, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		cmd.Wait() //nolint:errcheck // it may have come to its end
		time.Sleep(time.Second)
		code, out, said := r.command("status")
		if code != 0 && code != 1 {
			t.Fatalf("status: exit %d\n%s", code, said)
		}
		_, rest, _ := strings.Cut(out, "\n"+r.name+" ")
		state, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		states[state]++
		if code, out, said := r.command("uninstall", "--kill", r.name); code != 0 && (state != "" || code != 2) {
			t.Fatalf("round %d, %s: uninstall: exit %d\n%s%s", n, state, code, out, said)
		}
		for _, f := range []string{filepath.Join(runStates, r.name), filepath.Join(pinRoot, "run-"+r.name), "/sys/fs/cgroup/safeclaw-detached-" + r.name} {
			if _, err := os.Stat(f); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("round %d, %s: %s is left: %v", n, state, f, err)
			}
		}
		if b, err := os.ReadFile(r.log + ".out"); err == nil && bytes.Contains(b, []byte("LEAK")) {
			t.Errorf("round %d, %s: the program ran ungated", n, state)
		}
	}
	t.Logf("killed amid the start: %v", states)
}

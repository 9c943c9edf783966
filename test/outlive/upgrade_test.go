package outlive

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

// otherAgent is an agent of another build that records a run in this process.
func otherAgent(name, build string) int {
	o := agent.DetachOptions{Name: name, Version: build, Build: build}
	_, err := agent.Resume(context.Background(), o, nil, func(_ *agent.RunState, how string, _ []string) error {
		fmt.Println(how)
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// upgrade starts an agent of another build and returns how it came to the
// programs. With a time it is killed after it, whatever it is doing.
func (r *run) upgrade(build string, killed time.Duration) (how string) {
	r.t.Helper()
	cmd := exec.Command("/proc/self/exe", "agent", r.name, build)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	if killed > 0 {
		time.Sleep(killed)
		if err := cmd.Process.Kill(); err != nil {
			r.t.Fatal(err)
		}
		cmd.Wait() //nolint:errcheck // it was killed
		return ""
	}
	line := bufio.NewScanner(out)
	line.Scan()
	r.agent = cmd.Process.Pid
	go cmd.Wait() //nolint:errcheck // it will be killed
	return line.Text()
}

// TestUpgradedAgents: agents of two builds relieve each other, by dying, some of
// them amid the upgrade. The canary notices nothing, and the log accounts for the
// end of each set of programs and the beginning of the next.
func TestUpgradedAgents(t *testing.T) {
	rounds := 2
	if os.Getenv("SAFECLAW_LONG") != "" {
		rounds = 50
	}
	r := newRun(t, "upgraded")
	r.begin()
	for n := range rounds {
		build := []string{"one", "two"}[n%2]
		r.sleep(2 * time.Second)
		r.kill()
		if n%3 == 1 {
			r.upgrade(build, time.Duration(r.rnd.Int64N(int64(15*time.Second))))
		}
		// The one before may take a moment to be gone.
		how := r.upgrade(build, 0)
		for end := time.Now().Add(time.Minute); how != "upgraded" && how != "adopted" && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			how = r.upgrade(build, 0)
		}
		if how != "upgraded" && (how != "adopted" || n%3 != 1) {
			t.Fatalf("round %d: %s", n, how)
		}
		r.unexplained(0, 2)
		r.progress(n+1, rounds)
	}
	r.over(rounds)
}

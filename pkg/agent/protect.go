package agent

import (
	"fmt"
	"os"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// protect makes this process the agent of a gate, and keeps its directories from
// everybody but it and the host's administrator.
func protect(g *loader.Gate, r *Recorder, dirs ...string) error {
	if err := g.Protect(loader.Protection{Dirs: dirs}); err != nil {
		return err
	}
	return r.Protected(dirs)
}

// agentScore puts an agent among the last that the kernel ends when memory is short.
const agentScore = "-900"

// spare asks the kernel for that. What is started afterwards would inherit it: so
// it comes after the gated program.
func spare() error {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(agentScore), 0); err != nil {
		return fmt.Errorf("ask to be spared when memory is short: %w", err)
	}
	return nil
}

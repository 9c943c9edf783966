package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// UninstallOptions say what becomes of gated tasks that run.
type UninstallOptions struct {
	Places
	Kill    bool // they are killed first
	Force   bool // they go on, ungated
	Version string
}

// Removed is what an uninstall did.
type Removed struct {
	Name    string   `json:"name"`
	Removed []string `json:"removed"`
	Killed  int      `json:"killed"`
	Ungated int      `json:"ungated"` // tasks that go on without a gate
	Notes   []string `json:"notes,omitempty"`
}

// TasksRunError refuses to take the gate from running tasks.
type TasksRunError struct {
	Name  string
	Tasks int
}

func (e *TasksRunError) Error() string {
	return fmt.Sprintf("run %s: %d gated tasks run; node-agent uninstall --kill %s ends them first, --force leaves them running ungated", e.Name, e.Tasks, e.Name)
}

// Uninstall ends a run's enforcement and removes its pins, its cgroup and its
// state. Its audit log stays; what the kernel still has for it is recorded first.
func Uninstall(ctx context.Context, r *RunStatus, o UninstallOptions) (*Removed, error) {
	o.defaults()
	out := &Removed{Name: r.Name}
	if r.busy() && !o.Kill && !o.Force {
		return nil, &TasksRunError{r.Name, r.Tasks}
	}
	if o.Kill {
		n, err := killGated(r)
		if err != nil {
			return nil, err
		}
		out.Killed = n
	}
	if !r.instance {
		pins, err := loader.Uninstall(ctx, r.Pins)
		out.Removed, out.Ungated = pins, r.left(o)
		return out, err
	}
	d := DetachOptions{Name: r.Name, Version: o.Version, Runs: o.Runs, Pins: o.Pins}
	if r.Agent.Alive {
		done, err := dismiss(ctx, r, o, !o.Force)
		if err != nil {
			return nil, err
		}
		if done {
			out.Removed = []string{r.Pins, filepath.Join(o.Runs, r.Name)}
			out.Notes = append(out.Notes, "its agent recorded the end and removed it")
			return out, nil
		}
	}
	s := &supervisor{opts: d, logger: slog.New(slog.DiscardHandler)}
	_, err := s.adoptRun(ctx, nil)
	var busy *InUseError
	switch {
	case errors.As(err, &busy):
		return nil, errors.Join(err, s.letGo())
	case err != nil:
		out.Ungated = r.left(o)
		var gone *GoneError
		if !errors.As(err, &gone) {
			out.Notes = append(out.Notes, "what waited in the kernel is not recorded: "+err.Error())
		}
		return out, errors.Join(s.letGo(), out.removeRest(ctx, d))
	}
	in, err := loader.Inspect(r.Pins)
	if err != nil {
		return nil, errors.Join(err, s.letGo())
	}
	out.Ungated = len(in.Armed)
	if out.Removed, err = s.uninstall(ctx, out.Ungated); err != nil {
		return out, err
	}
	return out, nil
}

// busy says that a gated task runs, or one that will be gated.
func (s *RunStatus) busy() bool {
	return s.Tasks > 0 || s.State == RunStarting || s.State == RunUnattended
}

// left is how many gated tasks go on without a gate, where the kernel is not asked
// at the end.
func (s *RunStatus) left(o UninstallOptions) int {
	if o.Kill {
		return 0
	}
	return s.Tasks
}

// uninstall records the end, and removes the run.
func (s *supervisor) uninstall(ctx context.Context, ungated int) ([]string, error) {
	// What was done to the off switch while no agent lived.
	if err := s.alive(); err != nil {
		return nil, errors.Join(err, s.letGo())
	}
	stop := &audit.AgentStop{Reason: "uninstalled"}
	if ungated > 0 {
		stop.Reason = fmt.Sprintf("uninstalled; %d tasks go on ungated", ungated)
		if err := errors.Join(s.gate.Drain(s.rec.eventAnyway), s.takeCounted()); err != nil {
			return nil, errors.Join(err, s.letGo())
		}
	} else {
		stats, err := s.balance(ctx)
		if err != nil {
			return nil, errors.Join(err, s.letGo())
		}
		stop.CPUs = auditCounters(stats)
	}
	if err := s.log.Close(ctx, stop); err != nil {
		return nil, errors.Join(err, s.gate.Close(), s.dir.close())
	}
	return s.remove(ctx)
}

// killGated kills all tasks of a run, wherever they are.
func killGated(r *RunStatus) (int, error) {
	if r.Generation == 0 {
		return 0, nil // no set of programs is complete: nothing was bound
	}
	killed := map[uint32]bool{}
	for end := time.Now().Add(killWait); ; time.Sleep(5 * time.Millisecond) {
		for _, b := range r.Bindings {
			if b.Path == "" {
				continue
			}
			if err := (&cgroup.Group{Dir: b.Path}).Kill(killWait); err != nil {
				return len(killed), err
			}
		}
		if _, err := os.Stat(r.Pins); errors.Is(err, os.ErrNotExist) {
			return max(len(killed), r.Tasks), nil // its agent has removed it
		}
		in, err := loader.Inspect(r.Pins)
		if err != nil && r.Agent.Alive && time.Now().Before(end) {
			continue // its agent is removing it
		}
		if err != nil {
			return len(killed), err
		}
		if len(in.Armed) == 0 {
			return max(len(killed), r.Tasks), nil
		}
		if time.Now().After(end) {
			return len(killed), fmt.Errorf("%d gated tasks do not die", len(in.Armed))
		}
		for _, t := range in.Armed {
			killed[t.TID] = true
			if err := unix.Kill(int(t.TID), unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return len(killed), fmt.Errorf("kill gated task %d: %w", t.TID, err)
			}
		}
	}
}

// dismissWait is how long an agent may take to record the end of a run.
const dismissWait = 30 * time.Second

// dismiss waits until the run's agent has removed the run whose tasks are gone,
// or asks it to leave. It returns whether nothing of the run is left.
func dismiss(ctx context.Context, r *RunStatus, o UninstallOptions, over bool) (bool, error) {
	if !over {
		if err := unix.Kill(r.Agent.PID, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			return false, fmt.Errorf("ask the run's agent to leave: %w", err)
		}
	}
	for end := time.Now().Add(dismissWait); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(o.Runs, r.Name)); errors.Is(err, os.ErrNotExist) {
			return true, nil
		}
		if _, alive, _ := agentOf(o.Runs, r.Name); !alive {
			return false, nil
		}
	}
	return false, fmt.Errorf("run %s: its agent, process %d, does not end; end it and try again", r.Name, r.Agent.PID)
}

// removeRest removes what is there of a run that cannot be adopted.
func (out *Removed) removeRest(ctx context.Context, d DetachOptions) error {
	pins, err := loader.Uninstall(ctx, d.pinDir())
	out.Removed = append(out.Removed, pins...)
	mount, err2 := cgroup.Mount("/proc/self/mountinfo")
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	g := &cgroup.Group{Dir: filepath.Join(mount, detachedPrefix+d.Name)}
	dir := filepath.Join(d.Runs, d.Name)
	for _, name := range []string{g.Dir, dir} {
		if _, err := os.Stat(name); err == nil {
			out.Removed = append(out.Removed, name)
		}
	}
	return errors.Join(g.Remove(), os.RemoveAll(dir))
}

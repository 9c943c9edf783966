package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// GuardCommand is the hidden subcommand that runs Guard.
const GuardCommand = "run-guard"

// guard is a second process that outlives this one. It holds the programs'
// links, so that enforcement goes on when this process is killed, and kills the
// run's cgroup then: nothing ever runs there ungated.
type guard struct {
	pipe  *os.File // our end; its closing, by us or by our death, ends the guard
	ended chan error
}

func startGuard(g *cgroup.Group, gate *loader.Gate) (*guard, error) {
	links, err := gate.LinkFiles()
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, f := range links {
			_ = f.Close() // the guard has its own
		}
	}()
	if err := keepDescriptors(); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make guard pipe: %w", err)
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", GuardCommand, g.Dir)
	cmd.Stdin = r
	cmd.ExtraFiles = links
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // signals of our terminal are not for it
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start guard: %w", err), w.Close())
	}
	if err := gate.ProtectKeeper(cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, w.Close(), cmd.Wait())
	}
	gd := &guard{pipe: w, ended: make(chan error, 1)}
	go func() {
		err := cmd.Wait()
		if err != nil {
			// Nothing would enforce any more if we were killed as well.
			err = errors.Join(fmt.Errorf("guard: %w", err), g.Kill(killWait))
		}
		gd.ended <- err
	}()
	return gd, nil
}

func (g *guard) stop() error {
	return errors.Join(g.pipe.Close(), <-g.ended)
}

// Guard waits until its parent closes the pipe on standard input, then kills
// and removes the cgroup if it is still there.
func Guard(dir string) error {
	_, err := io.Copy(io.Discard, os.Stdin)
	g := &cgroup.Group{Dir: dir}
	return errors.Join(err, g.Kill(killWait), g.Remove())
}

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
// run's cgroup then: nothing ever runs there ungated. It also closes them, which
// takes the kernel a tenth of a second each: nobody waits for that.
type guard struct {
	pipe    *os.File   // a byte ends the run; closing it, by us or by our death, the run and the guard
	cleared chan error // the run's cgroup is gone
}

// guardDone is what a guard says that has removed the cgroup.
const guardDone = "removed"

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
	said, says, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make guard pipe: %w", err), w.Close())
	}
	defer says.Close()
	cmd := exec.Command("/proc/self/exe", GuardCommand, g.Dir)
	cmd.Stdin, cmd.Stdout = r, says
	cmd.ExtraFiles = links
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // signals of our terminal are not for it
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start guard: %w", err), w.Close(), said.Close())
	}
	if err := gate.ProtectKeeper(cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, w.Close(), said.Close(), cmd.Wait())
	}
	gd := &guard{pipe: w, cleared: make(chan error, 1)}
	go func() {
		b, err := io.ReadAll(said)
		err = errors.Join(err, said.Close())
		if err == nil && string(b) == guardDone {
			gd.cleared <- nil
			_ = cmd.Wait() // what it did is done
			return
		}
		// Nothing would enforce any more if we were killed as well.
		gd.cleared <- errors.Join(fmt.Errorf("guard: %s: %w", b, errors.Join(err, cmd.Wait())), g.Kill(killWait))
	}()
	return gd, nil
}

// stop has the guard kill and remove the cgroup.
func (g *guard) stop() error {
	_, err := g.pipe.Write([]byte{0})
	return errors.Join(err, <-g.cleared)
}

// release lets the guard end, and with it the programs if nobody else holds them.
func (g *guard) release() error { return g.pipe.Close() }

// Guard waits until its parent tells it to on standard input, or is gone, then
// kills and removes the cgroup if it is still there.
func Guard(dir string) error {
	n, err := os.Stdin.Read(make([]byte, 1))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	g := &cgroup.Group{Dir: dir}
	err = errors.Join(err, g.Kill(killWait), g.Remove())
	if n == 0 {
		return err // nobody listens
	}
	if err != nil {
		_, werr := os.Stdout.WriteString(err.Error())
		return errors.Join(err, werr)
	}
	if _, err := os.Stdout.WriteString(guardDone); err != nil {
		return fmt.Errorf("tell that the cgroup is gone: %w", err)
	}
	if err := os.Stdout.Close(); err != nil {
		return fmt.Errorf("tell that the cgroup is gone: %w", err)
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return fmt.Errorf("wait for the run's end: %w", err)
	}
	return nil
}

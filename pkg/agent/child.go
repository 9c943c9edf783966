package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit codes of a program that did not start, as shells have them.
const (
	ExitNotFound      = 127
	ExitNotExecutable = 126
)

// child is the program under way.
type child struct {
	cmd    *exec.Cmd
	status *startStatus
}

// start starts the program in the run's cgroup.
func (r *run) start() (*child, error) {
	dir, err := r.group.Open()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	cmd, status, err := r.command()
	if err != nil {
		return nil, err
	}
	// clone3 with CLONE_INTO_CGROUP (since 5.7): the program never runs outside.
	cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.opts.Stdin, r.opts.Stdout, r.opts.Stderr
	if err := keepDescriptors(); err != nil {
		return nil, err
	}
	if err := withoutTyping(cmd.Start); err != nil {
		return nil, err
	}
	return &child{cmd, status}, nil
}

// wait waits for the program's end and returns its status, as shells have it.
// A program that a container's init could not become has not begun.
func (c *child) wait(begun error) (int, error) {
	err := c.cmd.Wait()
	if begun != nil {
		err = begun
	}
	var se *startError
	if errors.As(err, &se) {
		return startCode(se.Err), se
	}
	ws, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return c.cmd.ProcessState.ExitCode(), nil
}

// program runs the program and waits for it; signals go to it.
func (r *run) program(ctx context.Context) (int, error) {
	sigs := make(chan os.Signal, 8)
	signal.Notify(sigs, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(sigs)
	c, err := r.start()
	if err != nil {
		return startCode(err), err
	}
	type end struct {
		code int
		err  error
	}
	done := make(chan end, 1)
	go func() {
		code, err := c.wait(c.status.wait())
		done <- end{code, err}
	}()
	for {
		select {
		case s := <-sigs:
			r.forward(c.cmd.Process, s)
		case <-ctx.Done():
			if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				r.opts.Logger.Warn("kill the program", "error", err)
			}
			ctx = context.WithoutCancel(ctx)
		case e := <-done:
			return e.code, e.err
		}
	}
}

// forward passes a signal on. The terminal has sent its own to the program too.
func (r *run) forward(p *os.Process, s os.Signal) {
	if s == syscall.SIGINT || s == syscall.SIGQUIT {
		if f, ok := r.opts.Stdin.(*os.File); ok {
			if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
				return
			}
		}
	}
	if err := p.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.opts.Logger.Warn("forward signal", "signal", s, "error", err)
	}
}

// command is the program itself, or the container's init that becomes it.
func (r *run) command() (*exec.Cmd, *startStatus, error) {
	cred, err := credential(r.opts.User)
	if err != nil {
		return nil, nil, err
	}
	if r.opts.Root == "" {
		cmd := exec.Command(r.opts.Argv[0], r.opts.Argv[1:]...)
		if cmd.Err != nil {
			return nil, nil, cmd.Err
		}
		cmd.Dir = r.opts.Dir
		if len(r.opts.Env) > 0 {
			cmd.Env = append(os.Environ(), expandEnv(r.opts.Env)...)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		return cmd, nil, nil
	}
	spec := containerSpec{Root: r.opts.Root, Dir: r.opts.Dir, Volumes: r.opts.Volumes, Argv: r.opts.Argv}
	if cred != nil {
		spec.UID, spec.GID = int(cred.Uid), int(cred.Gid)
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, nil, fmt.Errorf("encode container: %w", err)
	}
	rd, wr, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make status pipe: %w", err)
	}
	cmd := exec.Command("/proc/self/exe", ContainerCommand)
	cmd.Env = append(containerEnviron(r.opts.Env), containerEnv+"="+string(b))
	cmd.ExtraFiles = []*os.File{wr}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	return cmd, &startStatus{r: rd, w: wr}, nil
}

// containerEnviron is the environment of a container: a default PATH and HOME,
// the terminal's kind, and what was asked for. The caller's own stays outside:
// it may hold credentials.
func containerEnviron(add []string) []string {
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	if t, ok := os.LookupEnv("TERM"); ok {
		env = append(env, "TERM="+t)
	}
	return append(env, expandEnv(add)...)
}

// expandEnv gives a bare NAME the caller's value.
func expandEnv(add []string) []string {
	var out []string
	for _, e := range add {
		if strings.Contains(e, "=") {
			out = append(out, e)
		} else if v, ok := os.LookupEnv(e); ok {
			out = append(out, e+"="+v)
		}
	}
	return out
}

// credential parses "uid" or "uid:gid". Nil: the caller's own.
func credential(user string) (*syscall.Credential, error) {
	if user == "" {
		return nil, nil
	}
	u, g, both := strings.Cut(user, ":")
	if !both {
		g = u
	}
	uid, err1 := strconv.ParseUint(u, 10, 32)
	gid, err2 := strconv.ParseUint(g, 10, 32)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("user %q is not UID or UID:GID in numbers", user)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// startError is a program that could not be started.
type startError struct {
	Step string
	Err  error
}

func (e *startError) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *startError) Unwrap() error { return e.Err }

// startCode is the shell's exit code for a start that failed.
func startCode(err error) int {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return ExitNotFound
	}
	return ExitNotExecutable
}

// startStatus hears from the container's init why the program did not start.
// The pipe closes on a successful exec.
type startStatus struct{ r, w *os.File }

type startReport struct {
	Step  string
	Errno syscall.Errno
	Text  string
}

func (s *startStatus) wait() error {
	if s == nil {
		return nil
	}
	if err := s.w.Close(); err != nil {
		return fmt.Errorf("close status pipe: %w", err)
	}
	b, err := io.ReadAll(s.r)
	if err = errors.Join(err, s.r.Close()); err != nil || len(b) == 0 {
		return err
	}
	var rep startReport
	if err := json.Unmarshal(b, &rep); err != nil {
		return fmt.Errorf("read start status: %w", err)
	}
	e := &startError{Step: rep.Step, Err: errors.New(rep.Text)}
	if rep.Errno != 0 {
		e.Err = &remoteError{rep.Text, rep.Errno}
	}
	return e
}

// remoteError is an error of the container's init.
type remoteError struct {
	text  string
	errno syscall.Errno
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.errno }

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// detachedPrefix begins the names of the cgroups of detached runs; the run's
// name follows. No other run sweeps them.
const detachedPrefix = "safeclaw-detached-"

// endPoll is how often a supervisor looks whether anybody gated is left.
const endPoll = 250 * time.Millisecond

// supervisor records one detached run. Enforcement does not need it.
type supervisor struct {
	recording
	opts    DetachOptions
	state   *RunState
	dir     *RunDir
	gate    *loader.Gate
	group   *cgroup.Group
	logFile *os.File
	logger  *slog.Logger
	ours    bool           // what is pinned
	tables  *policy.Tables // of a run that was adopted
	unnamed error          // why there are none
}

// superviseNew starts a run and records it until the program and all that it
// left have ended. From the moment that the program starts nothing of the run
// depends on this process.
func superviseNew(ctx context.Context, o DetachOptions, ready func(*RunState, string, []string) error) error {
	o.defaults()
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	s := &supervisor{opts: o}
	var err error
	if s.dir, err = createRunDir(o.Runs, o.Name); err != nil {
		return err
	}
	c, err := s.begin(ctx)
	if err != nil {
		return errors.Join(err, s.abandon(err))
	}
	if err := ready(s.state, "", nil); err != nil {
		s.logger.Warn("nobody waited for the start", "error", err)
	}
	if err := s.ownOutput(); err != nil {
		s.logger.Warn("keep what is said", "error", err)
	}
	reason := make(chan string, 1)
	go func() {
		code, _ := c.wait(nil)
		reason <- fmt.Sprintf("program ended with status %d", code)
	}()
	over, err := s.follow(ctx)
	if err != nil || !over {
		return s.leave(err)
	}
	return s.finish(context.WithoutCancel(ctx), <-reason)
}

// begin does all that comes before the program's first instruction, and starts
// it: the programs are pinned, the cgroup bound and the state written by then.
func (s *supervisor) begin(ctx context.Context) (*child, error) {
	o := s.opts
	tables, err := o.Policy.Compile()
	if err != nil {
		return nil, err
	}
	if err := s.openLogger(); err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	s.state = &RunState{
		Name: o.Name, Argv: o.Argv, Root: o.Root, Started: time.Now().UTC(), Log: o.LogDir, Keep: o.Log, Output: o.Output, Node: host,
		Build: o.Version, Policy: o.Policy.Name, Baseline: o.Policy.Baseline, Mode: o.Policy.Mode, Relaxations: o.Policy.Relaxations,
	}
	if err := errors.Join(s.dir.write(policyFile, o.Policy.Source), s.dir.save(s.state)); err != nil {
		return nil, err
	}
	if _, err := os.Stat(o.pinDir()); err == nil {
		return nil, takenError(o.Name) // by a run whose state is lost
	}
	s.ours = true
	if s.gate, err = loader.Load(ctx, loader.Options{Protect: true, PinDir: o.pinDir(), Build: o.Build, Logger: s.logger}); err != nil {
		return nil, err
	}
	if err := s.openLog(ctx); err != nil {
		return nil, err
	}
	start, err := s.startRecord()
	if err != nil {
		return nil, err
	}
	if err := s.log.Append(start); err != nil {
		return nil, fmt.Errorf("append start: %w", err)
	}
	if err := s.rec.Apply(o.Policy.Name, tables); err != nil {
		return nil, fmt.Errorf("append policy: %w", err)
	}
	mount, err := cgroup.Mount("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	if s.group, err = cgroup.Make(mount, detachedPrefix+o.Name); err != nil {
		return nil, err
	}
	s.state.Cgroup = s.group.Dir
	if s.state.CgroupID, err = s.group.ID(); err != nil {
		return nil, err
	}
	if s.state.Slot, err = s.gate.InstallPolicy(tables); err != nil {
		return nil, err
	}
	s.state.TableID = tableID(tables.ID)
	if err := gateNames(s.gate, s.group.Dir, s.state.CgroupID, o.Network); err != nil {
		return nil, err
	}
	kind := loader.BindAny | loader.BindNames
	if o.Root != "" {
		kind = loader.BindContainer | loader.BindNames
	}
	if err := s.alive(); err != nil {
		return nil, err
	}
	if err := s.gate.Bind(s.state.CgroupID, kind, s.state.Slot); err != nil {
		return nil, err
	}
	ref := audit.Policy{Name: o.Policy.Name, SourceHash: tables.SourceHash, TableHash: tables.Hash}
	if err := s.log.Append(&audit.Binding{CgroupPath: []byte(s.group.Dir), CgroupID: s.state.CgroupID, Policy: ref}); err != nil {
		return nil, fmt.Errorf("append binding: %w", err)
	}
	if err := s.log.Flush(ctx); err != nil {
		return nil, fmt.Errorf("write audit log: %w", err)
	}
	if err := s.dir.save(s.state); err != nil {
		return nil, err
	}
	return s.launch(ctx)
}

// launch starts the program, and returns when it has been executed.
func (s *supervisor) launch(ctx context.Context) (*child, error) {
	o := s.opts
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start the program: %w", err)
	}
	out, err := os.OpenFile(o.Output, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the program's output: %w", err)
	}
	defer out.Close()
	r := &run{group: s.group, opts: RunOptions{
		Argv: o.Argv, Root: o.Root, Volumes: o.Volumes, User: o.User, Dir: o.Dir, Env: o.Env, Stdout: out, Stderr: out, Logger: s.logger,
	}}
	c, err := r.start()
	if err != nil {
		return nil, &startError{"start " + o.Argv[0], err}
	}
	if err := c.status.wait(); err != nil {
		_, err = c.wait(err)
		return nil, err
	}
	s.state.PID = c.cmd.Process.Pid
	return c, s.dir.save(s.state)
}

func tableID(id uint64) string { return fmt.Sprintf("%016x", id) }

// openLogger opens the file in which the supervisor says what is wrong.
func (s *supervisor) openLogger() error {
	f, err := os.OpenFile(s.dir.path(agentLogFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open the agent's log: %w", err)
	}
	s.logFile = f
	s.logger = slog.New(slog.NewTextHandler(f, nil))
	return nil
}

// ownOutput lets go of the caller's standard error and working directory.
func (s *supervisor) ownOutput() error {
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.Dup3(int(s.logFile.Fd()), 2, 0); err != nil {
		return fmt.Errorf("redirect standard error: %w", err)
	}
	return nil
}

func (s *supervisor) openLog(ctx context.Context) error {
	log, err := audit.Open(ctx, s.state.Log, s.state.Keep.options(s.state.Node, s.logger))
	if err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	s.recording = recording{kernel: s.gate, log: log, rec: NewRecorder(log)}
	s.beat = s.alive
	return protect(s.gate, s.rec, s.opts.pinDir(), s.dir.dir, s.state.Log)
}

// alive is called with each heartbeat: the kernel is told, and who asks for the
// run's status.
func (s *supervisor) alive() error {
	if err := errors.Join(aliveBy(s.gate, s.rec, s.log)(), s.dir.touch()); err != nil {
		return err
	}
	if s.rec.exes.changed {
		return s.dir.saveNames(s.rec.exes)
	}
	return nil
}

// startRecord is the agent's first record, with the load that it records.
func (s *supervisor) startRecord() (*audit.AgentStart, error) {
	lsms, err := loader.ActiveLSMs()
	if err != nil {
		return nil, err
	}
	load, err := s.gate.LoadID()
	if err != nil {
		return nil, err
	}
	return &audit.AgentStart{Version: s.opts.Version, LSM: lsms, Kernel: KernelRelease(), PID: uint32(os.Getpid()), LoadID: load}, nil
}

// follow records until nobody gated is left, or the context ends.
func (s *supervisor) follow(ctx context.Context) (over bool, err error) {
	if err := spare(); err != nil {
		s.logger.Warn("the agent may be ended early", "error", err)
	}
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	read := make(chan error, 1)
	go func() { read <- s.read(reading) }()
	look := time.NewTicker(endPoll)
	defer look.Stop()
	for {
		select {
		case err := <-read:
			return false, err
		case <-ctx.Done():
			stop()
			return false, <-read
		case <-look.C:
			over, err := s.over()
			if over || err != nil {
				stop()
				return over, errors.Join(err, <-read)
			}
		}
	}
}

// over says that no gated task is left: none in the cgroup, none that left it.
func (s *supervisor) over() (bool, error) {
	populated, err := s.group.Populated()
	if err != nil || populated {
		return false, err
	}
	pids, err := s.gate.Armed(s.state.CgroupID)
	return err == nil && len(pids) == 0, err
}

// finish accounts for every decision, closes the log and removes what the run
// had outside of it.
func (s *supervisor) finish(ctx context.Context, reason string) error {
	stats, err := s.balance(ctx)
	if err != nil {
		return s.leave(err)
	}
	if err := s.log.Close(ctx, &audit.AgentStop{Reason: reason, CPUs: auditCounters(stats)}); err != nil {
		return errors.Join(fmt.Errorf("close audit log: %w", err), s.gate.Close())
	}
	_, err = s.remove(ctx)
	return err
}

// leave lets go of a run that goes on gated: this agent was asked to end, or
// cannot record any more.
func (s *supervisor) leave(why error) error {
	reason := "agent was asked to stop; the programs stay and enforce"
	if why != nil {
		reason = "agent cannot record; the programs stay and enforce"
		s.logger.Error("recording ended", "error", why)
	}
	return errors.Join(why, s.log.Close(context.Background(), &audit.AgentStop{Reason: reason}), s.gate.Close(), s.dir.close())
}

// remove removes pins, cgroup and state, and says what.
func (s *supervisor) remove(ctx context.Context) ([]string, error) {
	var removed []string
	var err error
	if s.gate != nil {
		err = s.gate.Close()
	}
	pins, err2 := loader.Uninstall(ctx, s.opts.pinDir())
	removed = append(removed, pins...)
	err = errors.Join(err, err2)
	// Tasks that go on ungated keep their cgroup.
	if populated, _ := s.group.Populated(); !populated && s.group.Dir != "" {
		if err2 := s.group.Remove(); err2 != nil {
			err = errors.Join(err, err2)
		} else {
			removed = append(removed, s.group.Dir)
		}
	}
	if err != nil {
		return removed, errors.Join(err, s.dir.close())
	}
	return append(removed, s.dir.dir), s.dir.remove()
}

// abandon undoes a start that failed. Whatever runs in the cgroup is no program
// yet, or one that was never reported: it is killed before its gate goes.
func (s *supervisor) abandon(why error) error {
	var errs []error
	if s.group != nil {
		errs = append(errs, s.group.Kill(killWait))
	}
	if s.log != nil {
		var se *startError
		if stats, err := s.balance(context.Background()); errors.As(why, &se) && err == nil {
			errs = append(errs, s.log.Close(context.Background(), &audit.AgentStop{Reason: "program did not start", CPUs: auditCounters(stats)}))
		} else {
			errs = append(errs, err, s.log.Close(context.Background()))
		}
	}
	if !s.ours {
		return errors.Join(append(errs, s.dir.remove())...)
	}
	if s.group == nil {
		s.group = &cgroup.Group{} // there is none yet
	}
	_, err := s.remove(context.Background())
	return errors.Join(append(errs, err)...)
}

// instanceOf is the run's name in an instance's.
func instanceOf(name string) (run string, ok bool) {
	base := filepath.Base(name)
	if len(base) <= len(instancePrefix) || base[:len(instancePrefix)] != instancePrefix {
		return "", false
	}
	return base[len(instancePrefix):], true
}

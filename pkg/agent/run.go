package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// RunOptions say what to run and under which policy.
type RunOptions struct {
	PolicyName string
	Tables     *policy.Tables
	Argv       []string
	Root       string         // a pod-shaped container with this root directory; empty: the host's own
	Volumes    []Volume       // mounted into the container
	User       string         // "uid" or "uid:gid" of the program
	Dir        string         // working directory
	Env        []string       // NAME=VALUE, or NAME for the caller's value; a container has no other of the caller's
	Network    loader.Network // how it resolves names
	LogDir     string
	Log        LogOptions
	Version    string

	// Gate, if set, holds the loaded programs. Run neither loads nor closes it
	// then; it must enforce no policy, and runs one after the other share it.
	Gate *loader.Gate

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Denied         func(*audit.Decision) // told of each denial, as it happens
	Logger         *slog.Logger
}

// RunResult is what a gated run left behind.
type RunResult struct {
	ExitCode int // the program's status; 128+n where signal n ended it; 127, 126 where it did not start
	StartErr error
	Report   *audit.Report
	Stats    []loader.CPUStats // of this run
}

// killWait is how long tasks that the program left behind may take to die.
const killWait = 10 * time.Second

// groupPrefix begins the names of the cgroups of gated runs; the pid follows.
const groupPrefix = "safeclaw-run-"

// Run runs a program gated. Everything that is still running when the program
// ends is killed, since enforcement ends with the run; so it is when this
// process is killed (see guard.go).
func Run(ctx context.Context, o RunOptions) (res *RunResult, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &run{opts: o, gate: o.Gate}
	defer func() { err = errors.Join(err, r.release()) }()
	if r.gate == nil {
		if r.gate, err = loader.Load(ctx, loader.Options{Protect: true, Logger: o.Logger}); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, r.gate.Close()) }()
	}

	host, _ := os.Hostname()
	log, err := audit.Open(ctx, o.LogDir, o.Log.options(host, o.Logger))
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, log.Close(context.WithoutCancel(ctx)))
		}
	}()
	r.recording = recording{kernel: r.gate, log: log, rec: NewRecorder(log)}
	r.rec.Denied = o.Denied
	r.beat = aliveBy(r.gate, r.rec, log)
	if err := r.prepare(); err != nil {
		return nil, errors.Join(err, r.discard())
	}
	res = &RunResult{}
	if err := r.execute(ctx, res); err != nil {
		return nil, errors.Join(err, r.discard())
	}
	closed = true
	if err := r.finish(context.WithoutCancel(ctx), res); err != nil {
		return nil, err
	}
	return res, nil
}

// run is one gated run under way.
type run struct {
	recording
	opts  RunOptions
	gate  *loader.Gate
	group *cgroup.Group
	id    uint64
	slot  *uint32
	guard *guard
	base  []loader.CPUStats // counters as found, nil for programs just loaded
}

// prepare writes what the log says first, and binds a new cgroup to the policy.
func (r *run) prepare() error {
	lsms, err := loader.ActiveLSMs()
	if err != nil {
		return err
	}
	start := &audit.AgentStart{Version: r.opts.Version, LSM: lsms, Kernel: KernelRelease(), PID: uint32(os.Getpid())}
	if r.opts.Gate != nil {
		if r.base, err = r.gate.Rest(); err != nil {
			return err
		}
		start.CPUs = auditCounters(r.base)
		r.rec.From(r.base)
	}
	if err := r.log.Append(start); err != nil {
		return fmt.Errorf("append start: %w", err)
	}
	if err := protect(r.gate, r.rec, r.opts.LogDir); err != nil {
		return err
	}
	if err := r.rec.Apply(r.opts.PolicyName, r.opts.Tables); err != nil {
		return fmt.Errorf("append policy: %w", err)
	}
	mount, err := cgroup.Mount("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if err := sweep(mount); err != nil {
		return err
	}
	if r.group, err = cgroup.Make(mount, fmt.Sprintf("%s%d", groupPrefix, os.Getpid())); err != nil {
		return err
	}
	if r.id, err = r.group.ID(); err != nil {
		return err
	}
	slot, err := r.gate.InstallPolicy(r.opts.Tables)
	if err != nil {
		return err
	}
	r.slot = &slot
	if err := gateNames(r.gate, r.group.Dir, r.id, r.opts.Network); err != nil {
		return err
	}
	kind := loader.BindAny | loader.BindNames
	if r.opts.Root != "" {
		kind = loader.BindContainer | loader.BindNames
	}
	if err := r.beat(); err != nil {
		return err
	}
	if err := r.gate.Bind(r.id, kind, slot); err != nil {
		return err
	}
	ref := audit.Policy{Name: r.opts.PolicyName, SourceHash: r.opts.Tables.SourceHash, TableHash: r.opts.Tables.Hash}
	if err := r.log.Append(&audit.Binding{CgroupPath: []byte(r.group.Dir), CgroupID: r.id, Policy: ref}); err != nil {
		return fmt.Errorf("append binding: %w", err)
	}
	if err := r.log.Flush(context.Background()); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	r.guard, err = startGuard(r.group, r.gate)
	return err
}

// execute starts the program and reads decisions until it and all that it left
// behind have ended.
func (r *run) execute(ctx context.Context, res *RunResult) error {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	read := make(chan error, 1)
	go func() {
		err := r.read(reading)
		if err != nil {
			// Nothing records any more: the run ends.
			err = errors.Join(err, r.group.Kill(killWait))
		}
		read <- err
	}()

	code, startErr := r.program(ctx)
	res.ExitCode, res.StartErr = code, startErr
	killErr := errors.Join(r.group.Kill(killWait), r.killSurvivors())
	stop()
	return errors.Join(killErr, <-read)
}

// killSurvivors ends what left the cgroup: it is armed still, and would be
// ungated once the programs are gone.
func (r *run) killSurvivors() error {
	for end := time.Now().Add(killWait); ; time.Sleep(2 * time.Millisecond) {
		pids, err := r.gate.Armed(r.id)
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d gated tasks do not die", len(pids))
		}
		for _, pid := range pids {
			if err := unix.Kill(int(pid), unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill gated process %d: %w", pid, err)
			}
		}
	}
}

// finish balances the counters, closes the log and verifies it.
func (r *run) finish(ctx context.Context, res *RunResult) error {
	var err error
	res.Stats, err = r.balance(ctx)
	stop := &audit.AgentStop{Reason: "program ended", CPUs: auditCounters(res.Stats)}
	res.Stats = loader.Since(res.Stats, r.base)
	err = errors.Join(err, r.log.Close(ctx, stop), r.discard())
	if err != nil {
		return err
	}
	res.Report, err = audit.Verify(ctx, r.opts.LogDir, audit.VerifyOptions{Unanchored: true})
	if err != nil {
		return fmt.Errorf("verify audit log: %w", err)
	}
	return nil
}

// discard removes what the run made outside its log. A task that could not be
// killed is denied everything afterwards, as long as the programs stay.
func (r *run) discard() error {
	var errs []error
	if r.guard != nil {
		errs = append(errs, r.guard.stop())
	}
	if r.group != nil {
		errs = append(errs, r.group.Kill(killWait), r.group.Remove())
		r.group = nil
	}
	if r.slot != nil {
		errs = append(errs, r.gate.Unbind(r.id), r.gate.Release(*r.slot), r.gate.ForgetNetwork(r.id))
		r.slot = nil
	}
	return errors.Join(errs...)
}

// release lets the guard end, once this process holds no link any more.
func (r *run) release() error {
	if r.guard == nil {
		return nil
	}
	return r.guard.release()
}

// sweep removes the cgroups of runs whose process is gone, guard and all.
func sweep(mount string) error {
	groups, err := cgroup.Children(mount, groupPrefix)
	if err != nil {
		return err
	}
	for _, g := range groups {
		pid := g.Dir[strings.LastIndex(g.Dir, "-")+1:]
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			if err := errors.Join(g.Kill(killWait), g.Remove()); err != nil {
				return fmt.Errorf("remove what an earlier run left: %w", err)
			}
		}
	}
	return nil
}

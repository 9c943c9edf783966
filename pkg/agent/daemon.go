package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/k8s"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// nodeInstance is the instance of the node's daemon, in pins, state and log.
const nodeInstance = "node"

// statusPeriod is how often the node's status is written.
const statusPeriod = 30 * time.Second

// offPeriod is for how long the setting `enforcement: off` switches off at once.
const offPeriod = time.Hour

// DaemonOptions say where the daemon of a node finds things.
type DaemonOptions struct {
	Node, Namespace, PodUID string // this node's name; the agent's own namespace and pod
	Kubeconfig              string // empty: the pod's ServiceAccount
	CgroupRoot              string // empty: where the unified hierarchy is mounted
	HostProc                string // /proc of a process with the host's root and namespaces
	StateDir, LogDir        string
	Version, Build          string
	Logger                  *slog.Logger
}

// daemon is the node's agent.
type daemon struct {
	recording
	o      DaemonOptions
	gate   *loader.Gate
	dir    *RunDir
	client *k8s.Client
	tree   cgroup.Tree
	events *k8s.Events
	cycle  *Reconciler
	ledger *bookkeeper

	resolving podNames  // of cycles alone
	resolved  time.Time // when it was read
	settings  *k8s.Settings

	kick chan struct{}
	mu   sync.Mutex
	want *k8s.Desired
	dirs map[string]cgroup.Dir // by path
	bad  string                // what the last cycle could not do
	off  time.Time             // until when enforcement is switched off by setting
}

// Daemon gates the pods of a node until the context ends, or it cannot record
// any more. Either way what is in force stays in force.
func Daemon(ctx context.Context, o DaemonOptions) error {
	d := &daemon{o: o, kick: make(chan struct{}, 1), dirs: map[string]cgroup.Dir{}}
	err := d.begin(ctx)
	if err == nil {
		err = d.run(ctx)
	}
	return d.leave(err)
}

// begin loads or adopts the programs, and goes on with the log.
func (d *daemon) begin(ctx context.Context) error {
	root := d.o.CgroupRoot
	if root == "" {
		var err error
		if root, err = cgroup.Mount("/proc/self/mountinfo"); err != nil {
			return err
		}
	}
	d.tree = cgroup.Tree{Root: root}
	var err error
	if d.client, err = k8s.Connect(d.o.Kubeconfig, k8s.Component+"/"+d.o.Version); err != nil {
		return err
	}
	d.events = k8s.NewEvents(d.client.Core, d.o.Node, d.o.Logger)
	if d.dir, err = openRunDir(d.o.StateDir, nodeInstance); errors.Is(err, ErrNoState) {
		d.dir, err = createRunDir(d.o.StateDir, nodeInstance)
	}
	if err != nil {
		return err
	}
	pins := filepath.Join(loader.PinRoot, nodeInstance)
	d.gate, err = loader.Load(ctx, loader.Options{Protect: true, PinDir: pins, HostProc: d.o.HostProc, Build: d.o.Build, Logger: d.o.Logger})
	if err != nil {
		return err
	}
	log, err := audit.Open(ctx, d.o.LogDir, audit.Options{Node: audit.Node{Name: d.o.Node, UID: d.o.Node}, Logger: d.o.Logger})
	if err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	d.recording = recording{kernel: d.gate, log: log, rec: NewRecorder(log)}
	d.ledger = newBookkeeper(d.rec)
	d.cycle = NewReconciler(d.gate, d.ledger, cgroup.Below, d.o.Logger)
	d.cycle.Names = d.names
	d.rec.Pod, d.rec.Denied = d.podOf, d.denied
	d.beat = d.alive
	dirs := []string{pins, d.dir.dir, d.o.LogDir}
	if err := d.gate.Protect(loader.Protection{HostProc: d.o.HostProc, Dirs: dirs}); err != nil {
		return err
	}
	if err := d.rec.Protected(dirs); err != nil {
		return err
	}
	if err := d.dir.loadNames(d.rec.exes); err != nil {
		d.o.Logger.Warn("records lack executables that run already", "error", err)
	}
	return d.continueLog(ctx)
}

// continueLog writes what the log says first.
func (d *daemon) continueLog(ctx context.Context) error {
	lsms, err := loader.ActiveLSMs()
	if err != nil {
		return err
	}
	load, err := d.gate.LoadID()
	if err != nil {
		return err
	}
	start := &audit.AgentStart{Version: d.o.Version, LSM: lsms, Kernel: KernelRelease(), PID: uint32(os.Getpid()), LoadID: load}
	if d.gate.How() == loader.StartFresh {
		err = d.log.Append(start)
	} else {
		if prev := d.gate.Previous(); prev != nil {
			if err := d.endLoad(ctx, prev, *start); err != nil {
				return err
			}
		}
		err = d.adopt(start)
	}
	if err != nil {
		return fmt.Errorf("append start: %w", err)
	}
	if err := d.log.Flush(ctx); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// run does everything at once until the first that must not end has ended.
func (d *daemon) run(ctx context.Context) error {
	if err := spare(); err != nil {
		d.o.Logger.Warn("the agent may be ended early", "error", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cluster := k8s.New(d.client.Core, k8s.Options{
		Node: d.o.Node, Namespace: d.o.Namespace, Self: d.o.PodUID, StateDir: filepath.Join(d.dir.dir, "cluster"),
		Check: loader.Enforceable, Running: d.runs, Logger: d.o.Logger,
	})
	var all sync.WaitGroup
	for what, part := range map[string]func(context.Context) error{
		"record decisions":   d.read,
		"follow the cluster": func(ctx context.Context) error { return cluster.Run(ctx, d.wanted, d.events.Send) },
		"watch cgroups":      d.watch,
		"bind pods":          d.cycles,
		"send events":        d.events.Run,
		"report status":      d.report,
	} {
		all.Go(func() {
			if err := part(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	<-ctx.Done()
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// leave ends the log. The programs stay.
func (d *daemon) leave(why error) error {
	reason := "agent was asked to stop; the programs stay and enforce"
	if why != nil {
		reason = "agent failed; the programs stay and enforce"
	}
	errs := []error{why}
	if d.log != nil {
		errs = append(errs, d.log.Close(context.Background(), &audit.AgentStop{Reason: reason}))
	}
	if d.gate != nil {
		errs = append(errs, d.gate.Close())
	}
	if d.dir != nil {
		errs = append(errs, d.dir.close())
	}
	return errors.Join(errs...)
}

// alive is called with each heartbeat.
func (d *daemon) alive() error {
	if err := errors.Join(aliveBy(d.gate, d.rec, d.log)(), d.dir.touch()); err != nil {
		return err
	}
	if d.rec.exes.changed {
		return d.dir.saveNames(d.rec.exes)
	}
	return nil
}

// again asks for a cycle.
func (d *daemon) again() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// wanted takes in what the cluster wants.
func (d *daemon) wanted(want *k8s.Desired) {
	d.mu.Lock()
	d.want = want
	d.mu.Unlock()
	d.again()
}

// watch follows the pods' cgroups.
func (d *daemon) watch(ctx context.Context) error {
	return d.tree.Watch(ctx, func(c cgroup.Change) error {
		d.mu.Lock()
		if c.Gone {
			delete(d.dirs, c.Path)
		} else {
			d.dirs[c.Path] = c.Dir
		}
		d.mu.Unlock()
		d.again()
		return nil
	})
}

// runs reports whether a pod has a cgroup still.
func (d *daemon) runs(uid string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, dir := range d.dirs {
		if uidKey(dir.PodUID) == uidKey(uid) {
			return true
		}
	}
	return false
}

// cycles reconciles whenever something has changed, and now and then.
func (d *daemon) cycles(ctx context.Context) error {
	every := time.NewTicker(tick)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.kick:
		case <-every.C:
		}
		d.mu.Lock()
		want := d.want
		dirs := make([]cgroup.Dir, 0, len(d.dirs))
		for _, dir := range d.dirs {
			dirs = append(dirs, dir)
		}
		d.mu.Unlock()
		if want == nil {
			continue
		}
		d.settings = want.Settings
		err := errors.Join(d.readNetwork(), d.cycle.Reserve(want), d.cycle.Reconcile(want, dirs), d.switchOff(want.Settings), d.ledger.settle())
		bad := ""
		if err != nil {
			bad = err.Error()
			d.o.Logger.Error("not everything is bound", "error", err)
		}
		d.mu.Lock()
		d.bad = bad
		d.mu.Unlock()
	}
}

// switchOff does what the setting `enforcement` says. The kernel ends it if this
// agent does not renew it.
func (d *daemon) switchOff(s *k8s.Settings) error {
	const reason = "setting enforcement: off"
	now := time.Now()
	switch {
	case s.Enforcement == "off" && now.After(d.off.Add(-offPeriod/2)):
		if err := d.gate.Control().Disable(0, offPeriod, reason); err != nil {
			return err
		}
		d.off = now.Add(offPeriod)
	case s.Enforcement != "off" && !d.off.IsZero():
		if err := d.gate.Control().Enable(0, "setting enforcement: "+s.Enforcement); err != nil {
			return err
		}
		d.off = time.Time{}
	}
	return nil
}

// podOf says whose a cgroup is, for records.
func (d *daemon) podOf(cgroup uint64) audit.Pod {
	p, container := d.cycle.PodOf(cgroup)
	if p == nil {
		return audit.Pod{}
	}
	out := audit.Pod{UID: p.CgroupUID, Namespace: p.Namespace, Name: p.Name, Container: container}
	for _, c := range p.Containers {
		if c.Name == container {
			out.ContainerID = c.ID
		}
	}
	return out
}

// denied tells a pod's owner.
func (d *daemon) denied(r *audit.Decision) {
	p, _ := d.cycle.PodOf(r.CgroupID)
	if p == nil {
		return
	}
	verb := "denied"
	if r.Verdict == audit.WouldDeny {
		verb = "would be denied"
	}
	text := fmt.Sprintf("%s of %q by %s was %s: rule %s of %s", r.Action, r.Subject, r.Process.Exe, verb, r.Rule, r.Policy.Name)
	if r.Reason != "" {
		text += " (" + r.Reason + ")"
	}
	d.events.Send(k8s.Notice{Pod: p, Reason: k8s.ReasonDenied, Message: strings.ToValidUTF8(text, "?"), Warning: r.Verdict == audit.Deny})
}

// report writes the node's status and label. That the API server does not take
// them changes nothing on the node.
func (d *daemon) report(ctx context.Context) error {
	every := time.NewTicker(statusPeriod)
	defer every.Stop()
	for first := time.After(2 * time.Second); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-first:
		case <-every.C:
		}
		d.mu.Lock()
		want, bad := d.want, d.bad
		d.mu.Unlock()
		if want == nil {
			continue
		}
		s := k8s.Status{Agent: d.o.Version, Kernel: KernelRelease(), Updated: time.Now().UTC().Format(time.RFC3339),
			Enforcing: want.Settings.Enforcement == "enforce" && bad == "", Problems: append([]string{}, want.Problems...)}
		if want.Settings.Enforcement != "enforce" {
			s.Problems = append(s.Problems, "settings say enforcement: "+want.Settings.Enforcement)
		}
		if bad != "" {
			s.Problems = append(s.Problems, bad)
		}
		s.Pods, s.Policies = want.Count()
		if err := errors.Join(d.client.Report(ctx, d.o.Node, s), d.client.Label(ctx, d.o.Node, s.Enforcing)); err != nil && ctx.Err() == nil {
			d.o.Logger.Warn("status not written", "error", err)
		}
	}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// DefaultLogs is where runs without a log directory of their own keep theirs.
const DefaultLogs = "/var/log/safeclaw"

// RunLog is the audit log of a detached run that was given none.
func RunLog(name string) string { return filepath.Join(DefaultLogs, instancePrefix+name) }

// GoneError says that nothing of a run is in the kernel.
type GoneError struct{ Name string }

func (e *GoneError) Error() string {
	return fmt.Sprintf("run %s: none of its programs are in the kernel; it ended, or the machine was started anew; remove what is left: node-agent uninstall %s", e.Name, e.Name)
}

// UnknownRunError says that there is no run of a name.
type UnknownRunError struct{ Name string }

func (e *UnknownRunError) Error() string {
	return fmt.Sprintf("there is no run %s; node-agent status lists them", e.Name)
}

// Resume goes on recording a run in this process, until the context ends, the
// process is asked to stop, or nobody gated is left. ready is told when it is
// under way. It returns whether the run is over.
func Resume(ctx context.Context, o DetachOptions, denied func(*audit.Decision), ready func(*RunState, string, []string) error) (over bool, err error) {
	return resume(ctx, o, denied, ready)
}

func resume(ctx context.Context, o DetachOptions, denied func(*audit.Decision), ready func(*RunState, string, []string) error) (over bool, err error) {
	o.defaults()
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	s := &supervisor{opts: o, logger: slog.New(slog.DiscardHandler)}
	notes, err := s.adoptRun(ctx, denied)
	if err != nil {
		return false, errors.Join(err, s.letGo())
	}
	if err := ready(s.state, s.gate.How().String(), notes); err != nil {
		s.logger.Warn("nobody waited for the start", "error", err)
	}
	if o.Resume { // detached
		if err := s.ownOutput(); err != nil {
			s.logger.Warn("keep what is said", "error", err)
		}
	}
	over, err = s.follow(ctx)
	if err != nil || !over {
		return false, s.leave(err)
	}
	return true, s.finish(context.WithoutCancel(ctx), "program ended")
}

// adoptRun takes over a run's programs and its log. What it has to do without it
// says in notes.
func (s *supervisor) adoptRun(ctx context.Context, denied func(*audit.Decision)) (notes []string, err error) {
	pins := s.opts.pinDir()
	_, err = loader.Inspect(pins)
	gone := errors.Is(err, loader.ErrNoPins)
	if s.dir, err = openRunDir(s.opts.Runs, s.opts.Name); errors.Is(err, ErrNoState) {
		if gone {
			return nil, &UnknownRunError{s.opts.Name}
		}
		s.dir, err = createRunDir(s.opts.Runs, s.opts.Name)
	}
	if err != nil {
		return nil, err
	}
	if gone {
		return nil, &GoneError{s.opts.Name}
	}
	if err := s.openLogger(); err != nil {
		return nil, err
	}
	if s.state, err = readState(s.dir.dir); err != nil {
		notes = append(notes, err.Error())
		if s.state, err = s.guessState(); err != nil {
			return nil, err
		}
	}
	s.tables, s.unnamed = s.compile()
	if s.gate, err = loader.Load(ctx, loader.Options{Protect: true, PinDir: pins, Build: s.opts.Build, Tables: s.tablesFor, Logger: s.logger}); err != nil {
		return nil, err
	}
	if s.gate.How() == loader.StartFresh {
		_, err := loader.Uninstall(ctx, pins)
		return nil, errors.Join(&GoneError{s.opts.Name}, err)
	}
	if err := s.findCgroup(); err != nil {
		return nil, err
	}
	if err := s.openLog(ctx); err != nil {
		return nil, err
	}
	s.rec.Denied = denied
	if err := s.dir.loadNames(s.rec.exes); err != nil {
		notes = append(notes, "records lack executables that run already: "+err.Error())
	}
	unnamed, err := s.continueLog(ctx)
	if err != nil {
		return nil, err
	}
	if unnamed != nil {
		notes = append(notes, "records carry numbers of rules, not names: "+unnamed.Error())
	}
	s.state.Build = s.opts.Version
	return notes, s.dir.save(s.state)
}

// guessState is what can be known without run.json.
func (s *supervisor) guessState() (*RunState, error) {
	name := s.opts.Name
	log := s.opts.LogDir
	if log == "" {
		log = RunLog(name)
		if _, err := os.Stat(log); err != nil {
			return nil, fmt.Errorf("the state of run %s does not say where its audit log is; say so: node-agent resume --log DIR %s", name, name)
		}
	}
	host, _ := os.Hostname()
	return &RunState{Name: name, Started: time.Now().UTC(), Log: log, Output: log + ".out", Node: host}, nil
}

// findCgroup finds the run's cgroup where its state does not say which it is.
func (s *supervisor) findCgroup() error {
	mount, err := cgroup.Mount("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	s.group = &cgroup.Group{Dir: filepath.Join(mount, detachedPrefix+s.opts.Name)}
	bound, err := s.gate.Bindings()
	if err != nil {
		return err
	}
	for _, b := range bound {
		if s.state.CgroupID == 0 && b.Cgroup == b.Bound {
			s.state.CgroupID, s.state.Slot = b.Cgroup, b.Slot
		}
	}
	if s.state.Cgroup != "" {
		s.group.Dir = s.state.Cgroup
	}
	s.state.Cgroup = s.group.Dir
	return nil
}

// continueLog goes on with the log: with the load that an upgrade has replaced,
// if there is one, to its end, then with the one in force.
// It returns why rules have no names, if so.
func (s *supervisor) continueLog(ctx context.Context) (unnamed, err error) {
	start, err := s.startRecord()
	if err != nil {
		return nil, err
	}
	tables, unnamed := s.tables, s.unnamed
	if unnamed == nil {
		unnamed = s.gate.Adopt(s.state.Slot, tables)
	}
	if unnamed == nil {
		s.rec.know(s.state.Policy, tables)
	}
	if prev := s.gate.Previous(); prev != nil {
		if err := s.endLoad(ctx, prev, *start); err != nil {
			return nil, err
		}
	}
	if err := s.adopt(start); err != nil {
		return nil, err
	}
	if unnamed == nil {
		s.state.TableID = tableID(tables.ID)
		if err := s.rec.Apply(s.state.Policy, tables); err != nil {
			return nil, fmt.Errorf("append policy: %w", err)
		}
	}
	if err := s.log.Flush(ctx); err != nil {
		return nil, fmt.Errorf("write audit log: %w", err)
	}
	return unnamed, nil
}

// endLoad records what is left of a load that enforces no more.
func (r *recording) endLoad(ctx context.Context, prev *loader.Previous, start audit.AgentStart) error {
	var err error
	if start.LoadID, err = prev.LoadID(); err != nil {
		return err
	}
	old := *r
	stats, err := prev.Stats()
	if err != nil {
		return err
	}
	// An agent that was killed here may have written them.
	known := newCountedBalance(r.log.Found())
	written := r.log.Found().LoadID == start.LoadID && known.beyond(stats) == 0
	old.kernel = &lastWords{prev, written}
	if err := old.adopt(&start); err != nil {
		return err
	}
	if stats, err = old.balance(ctx); err != nil {
		return err
	}
	if err := r.log.Append(&audit.Heartbeat{CPUs: auditCounters(stats), Final: true}); err != nil {
		return fmt.Errorf("append heartbeat: %w", err)
	}
	if err := r.log.Flush(ctx); err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	r.rec.nextLoad()
	return prev.Close()
}

// lastWords is a replaced set of programs as a recording reads it, once.
type lastWords struct {
	*loader.Previous
	counted bool // were taken already
}

func (*lastWords) Events(context.Context, func(*loader.Event) error) error { return io.EOF }

func (l *lastWords) DrainCounted() ([]loader.Counted, error) {
	if l.counted {
		return nil, nil
	}
	l.counted = true
	return l.Counted()
}

// tablesFor gives an upgrade the tables of what is in force in another format.
func (s *supervisor) tablesFor(id uint64) *policy.Tables {
	if s.unnamed != nil || tableID(id) != s.state.TableID {
		return nil
	}
	return s.tables
}

// compile makes the run's tables again, to have their names. Enforcement does
// not need them.
func (s *supervisor) compile() (*policy.Tables, error) {
	p, err := s.dir.policy(s.state)
	if err != nil {
		return nil, err
	}
	return p.Compile()
}

// letGo gives back what an adoption that failed has taken. The programs stay.
func (s *supervisor) letGo() error {
	var errs []error
	if s.log != nil {
		errs = append(errs, s.log.Close(context.Background()))
	}
	if s.gate != nil {
		errs = append(errs, s.gate.Close())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.close())
	}
	return errors.Join(errs...)
}

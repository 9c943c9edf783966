package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// SupervisorCommand is the hidden subcommand that runs Supervise.
const SupervisorCommand = "run-supervisor"

// DetachOptions say what to run detached, or which run to resume.
type DetachOptions struct {
	Name    string
	Policy  RunPolicy
	Argv    []string
	Root    string
	Volumes []Volume
	User    string
	Dir     string
	Env     []string
	Network loader.Network // how it resolves names
	LogDir  string         // of a resumed run: where its state does not say
	Log     LogOptions
	Output  string // of the program: a file
	Version string
	Runs    string // where states are; empty: DefaultRuns
	Pins    string // where instances are pinned; empty: loader.PinRoot
	Build   string // tells builds apart whose programs are the same
	Resume  bool
}

func (o *DetachOptions) defaults() {
	if o.Runs == "" {
		o.Runs = DefaultRuns
	}
	if o.Pins == "" {
		o.Pins = loader.PinRoot
	}
}

// instancePrefix begins the names of the instances of detached runs.
const instancePrefix = "run-"

func (o *DetachOptions) pinDir() string { return filepath.Join(o.Pins, instancePrefix+o.Name) }

// NewRunName makes a name from a program's.
func NewRunName(program string) (string, error) {
	var b [3]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("draw a run's name: %w", err)
	}
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, filepath.Base(program))
	if base == "" {
		base = "run"
	}
	return base[:min(len(base), 20)] + "-" + hex.EncodeToString(b[:]), nil
}

// RemoteError is an error of the supervisor.
type RemoteError struct {
	Text string
	Code int // exit status that fits; 0: none in particular
}

func (e *RemoteError) Error() string { return e.Text }

// supervisorReport is what a supervisor says once: when the run is under way,
// or why not.
type supervisorReport struct {
	State   *RunState `json:"state,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
	Error   string    `json:"error,omitempty"`
	Code    int       `json:"code,omitempty"`
	What    string    `json:"what,omitempty"` // of a loader.UnsupportedError
	Do      string    `json:"do,omitempty"`
	PID     int       `json:"pid"`
	Started string    `json:"how,omitempty"`
}

// Detached is a run under way, and who records it.
type Detached struct {
	State *RunState
	PID   int      // of the supervisor
	Notes []string // what a person should know
	How   string   // how the programs came: see How
}

// Detach starts a supervisor: this program again, in a session of its own. It
// returns when the gated program has started, or the run was resumed. The
// supervisor goes on without the caller, and the kernel without the supervisor.
func Detach(ctx context.Context, o DetachOptions) (*Detached, error) {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	spec, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode run: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make report pipe: %w", err)
	}
	defer r.Close()
	if err := keepDescriptors(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	cmd := exec.Command("/proc/self/exe", SupervisorCommand)
	cmd.Stdin = bytes.NewReader(spec)
	cmd.Stderr = os.Stderr // until it has a log of its own
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("start supervisor: %w", err)
	}
	// Who gives up waiting gives up the run: nobody would know of it.
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("hear from supervisor: %w", err)
	}
	var rep supervisorReport
	if err := json.Unmarshal(b, &rep); err != nil {
		return nil, fmt.Errorf("the supervisor ended without a word: %w", errors.Join(cmd.Wait(), err))
	}
	if rep.State != nil {
		return &Detached{State: rep.State, PID: cmd.Process.Pid, Notes: rep.Notes, How: rep.Started}, nil
	}
	_ = cmd.Wait() // it has said why
	if rep.Do != "" {
		return nil, &loader.UnsupportedError{What: rep.What, Do: rep.Do}
	}
	return nil, &RemoteError{rep.Error, rep.Code}
}

// Exit codes of what is asked of a run in vain.
const (
	ExitRefused = 1 // another agent has it, or gated tasks run
	ExitNoRun   = 2 // there is none of the name, or there is one already
)

// refusal is the exit code of an error that says what cannot be, else 0.
func refusal(err error) int {
	var busy *InUseError
	var tasks *TasksRunError
	var unknown *UnknownRunError
	var gone *GoneError
	var nothing *NothingBoundError
	switch {
	case errors.As(err, &busy), errors.As(err, &tasks), errors.Is(err, loader.ErrBusy):
		return ExitRefused
	case errors.As(err, &nothing), errors.As(err, &unknown), errors.As(err, &gone), errors.Is(err, ErrRunExists):
		return ExitNoRun
	}
	return 0
}

// ExitCode is the exit status that fits an error about a run, or 0.
func ExitCode(err error) int {
	var re *RemoteError
	if errors.As(err, &re) {
		return re.Code
	}
	return refusal(err)
}

// Supervise is the supervisor's process.
func Supervise(ctx context.Context) error {
	report := os.NewFile(3, "report")
	if err := keepDescriptors(); err != nil {
		return err
	}
	spec, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("read run: %w", err)
	}
	var o DetachOptions
	if err := json.Unmarshal(spec, &o); err != nil {
		return fmt.Errorf("read run: %w", err)
	}
	said := false
	say := func(rep supervisorReport) error {
		said = true
		rep.PID = os.Getpid()
		b, err := json.Marshal(rep)
		if err == nil {
			_, err = report.Write(b)
		}
		return errors.Join(err, report.Close())
	}
	ready := func(s *RunState, how string, notes []string) error {
		return say(supervisorReport{State: s, Started: how, Notes: notes})
	}
	if o.Resume {
		_, err = resume(ctx, o, nil, ready)
	} else {
		err = superviseNew(ctx, o, ready)
	}
	if err != nil && !said {
		rep := supervisorReport{Error: err.Error()}
		var un *loader.UnsupportedError
		var start *startError
		if errors.As(err, &un) {
			rep.What, rep.Do = un.Error(), un.Do
		}
		if errors.As(err, &start) {
			rep.Code = startCode(start.Err)
		} else {
			rep.Code = refusal(err)
		}
		return errors.Join(err, say(rep))
	}
	return err
}

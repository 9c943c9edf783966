package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultRuns is where detached runs keep their state, one directory each.
const DefaultRuns = "/var/lib/safeclaw/runs"

// Files of a run's state directory.
const (
	stateFile    = "run.json"
	policyFile   = "policy.yaml" // the exact source
	lockFile     = "lock"        // held by the agent that records; its process id
	agentLogFile = "agent.log"   // what the agent says about itself
)

const stateVersion = 1

// RunState is run.json: what an agent that adopts a run must know beside what
// the kernel holds.
type RunState struct {
	Version  int        `json:"version"`
	Name     string     `json:"name"`
	Argv     []string   `json:"argv"`
	Root     string     `json:"root,omitempty"`
	Started  time.Time  `json:"started"`
	Log      string     `json:"log"` // directory of the audit log
	Keep     LogOptions `json:"keep"`
	Output   string     `json:"output"` // of the program
	Node     string     `json:"node"`   // whose log it is
	Build    string     `json:"build"`  // of the agent that wrote this
	Policy   string     `json:"policy"` // its name
	Baseline string     `json:"baseline"`
	Mode     string     `json:"mode,omitempty"` // of --mode
	// Relaxations are of --allow-relaxation.
	Relaxations []string `json:"relaxations"`
	// Known once the cgroup is bound, before the program starts.
	Cgroup   string `json:"cgroup,omitempty"`
	CgroupID uint64 `json:"cgroup_id,omitempty"`
	Slot     uint32 `json:"slot"`
	TableID  string `json:"table_id,omitempty"`
	PID      int    `json:"pid,omitempty"` // of the program
}

// runName is a name as it fits a cgroup, a directory of bpffs and a terminal.
var runName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,47}$`)

// CheckRunName says whether a run may be called so.
func CheckRunName(name string) error {
	if !runName.MatchString(name) {
		return fmt.Errorf("run name %q: lower-case letters, digits and -, at most 48, beginning with a letter or digit", name)
	}
	return nil
}

// A RunDir is one run's state directory, locked: whoever has it is the run's agent.
type RunDir struct {
	dir  string
	lock *os.File
}

// InUseError says that a run's agent is alive.
type InUseError struct {
	Name string
	PID  int // 0: not known
}

func (e *InUseError) Error() string {
	who := "another agent"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("run %s is recorded by %s", e.Name, who)
}

// ErrRunExists says that a name is taken.
var ErrRunExists = errors.New("there is a run of this name")

func takenError(name string) error {
	return fmt.Errorf("%s: %w; remove it (node-agent uninstall %s) or choose another name", name, ErrRunExists, name)
}

// ErrNoState is returned for a run without a state directory.
var ErrNoState = errors.New("no state directory")

// StateError says that run.json or the policy is missing or damaged.
type StateError struct {
	Path string
	Err  error
}

func (e *StateError) Error() string {
	return fmt.Sprintf("state of the run: %s: %v", e.Path, e.Err)
}
func (e *StateError) Unwrap() error { return e.Err }

// createRunDir makes a run's state directory and locks it.
func createRunDir(root, name string) (*RunDir, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	dir := filepath.Join(root, name)
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		return nil, takenError(name)
	} else if err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	d, err := openRunDir(root, name)
	if err != nil {
		return nil, err
	}
	return d, syncDir(root)
}

// openRunDir locks a run's state directory.
func openRunDir(root, name string) (*RunDir, error) {
	dir := filepath.Join(root, name)
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, ErrNoState)
	}
	if err != nil {
		return nil, fmt.Errorf("lock run: %w", err)
	}
	// A lock of the open file: it can be asked for without being taken.
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		pid := lockHolder(f)
		return nil, errors.Join(&InUseError{name, pid}, f.Close())
	}
	// The directory may have been removed by whoever had the lock before.
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, lockFile))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock run: %w", err), f.Close())
	}
	return &RunDir{dir, f}, nil
}

// lockHolder is the process id in a lock file, or 0.
func lockHolder(f *os.File) int {
	b := make([]byte, 16)
	n, _ := f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0
	}
	return pid
}

// agentOf says which process records a run, or was the last to do so, and when
// it was last seen alive: an agent touches its lock with every heartbeat.
func agentOf(root, name string) (pid int, alive bool, seen time.Time) {
	f, err := os.Open(filepath.Join(root, name, lockFile))
	if err != nil {
		return 0, false, time.Time{}
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		seen = info.ModTime()
	}
	l := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l)
	return lockHolder(f), err == nil && l.Type != unix.F_UNLCK, seen
}

// touch says that the agent is alive.
func (d *RunDir) touch() error {
	now := time.Now()
	if err := os.Chtimes(d.path(lockFile), now, now); err != nil {
		return fmt.Errorf("touch lock: %w", err)
	}
	return nil
}

func (d *RunDir) path(name string) string { return filepath.Join(d.dir, name) }

// save writes run.json whole, or leaves the one before.
func (d *RunDir) save(s *RunState) error {
	s.Version = stateVersion
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	return d.write(stateFile, append(b, '\n'))
}

// write replaces a file in one step, durably.
func (d *RunDir) write(name string, b []byte) (err error) {
	tmp := d.path("." + name)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, d.path(name))
	}
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return syncDir(d.dir)
}

func syncDir(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}

// readState reads a run's state. A *StateError says what is wrong with it.
func readState(dir string) (*RunState, error) {
	path := filepath.Join(dir, stateFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &StateError{path, withoutPath(err)}
	}
	var s RunState
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, &StateError{path, fmt.Errorf("damaged: %w", err)}
	}
	switch {
	case s.Version != stateVersion:
		return nil, &StateError{path, fmt.Errorf("of version %d; this build knows %d", s.Version, stateVersion)}
	case s.Name != filepath.Base(dir):
		return nil, &StateError{path, fmt.Errorf("of another run, %q", s.Name)}
	case s.Log == "":
		return nil, &StateError{path, errors.New("damaged: it names no audit log")}
	}
	return &s, nil
}

// withoutPath is what is wrong, where the path is said already.
func withoutPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// policy reads the exact source of the run's policy.
func (d *RunDir) policy(s *RunState) (RunPolicy, error) {
	path := d.path(policyFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return RunPolicy{}, &StateError{path, withoutPath(err)}
	}
	return RunPolicy{Name: s.Policy, Source: b, Baseline: s.Baseline, Mode: s.Mode, Relaxations: s.Relaxations}, nil
}

// remove removes the directory and gives the lock back.
func (d *RunDir) remove() error {
	return errors.Join(os.RemoveAll(d.dir), d.lock.Close())
}

// close gives the lock back; the state stays.
func (d *RunDir) close() error { return d.lock.Close() }

// stateNames lists the runs that have a state directory.
func stateNames(root string) ([]string, error) {
	es, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var out []string
	for _, e := range es {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, nil
}

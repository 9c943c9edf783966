package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// What a run is.
const (
	RunEnforced   = "enforced"   // gated tasks run, and an agent records them
	RunUnattended = "unattended" // gated tasks run; what they do waits in the kernel for an agent
	RunEnded      = "ended"      // no gated task is left; an agent has not recorded its end yet
	RunGone       = "gone"       // nothing is in the kernel: the machine was started anew
	RunStarting   = "starting"
	RunIncomplete = "incomplete" // its agent died before the program started
)

// RunStatus is what there is of a detached run, or of another instance.
type RunStatus struct {
	Name       string          `json:"name"`
	State      string          `json:"state"`
	Argv       []string        `json:"argv,omitempty"`
	Agent      AgentStatus     `json:"agent"`
	Pins       string          `json:"pins,omitempty"`
	Generation int             `json:"generation"`
	Key        string          `json:"key,omitempty"`   // of the programs in force
	Build      string          `json:"build,omitempty"` // of the agent that recorded last
	Older      int             `json:"older_generations"`
	Tasks      int             `json:"tasks"` // gated
	Bindings   []BindingStatus `json:"bindings"`
	Counters   *RunCounters    `json:"counters,omitempty"`
	Off        []OffStatus     `json:"off"`
	Log        string          `json:"log,omitempty"`
	Output     string          `json:"output,omitempty"`
	Problems   []string        `json:"problems,omitempty"`
	// Daemon says that this is no run but what gates the node's pods.
	Daemon bool `json:"daemon,omitempty"`

	instance bool // a detached run
}

// AgentStatus is who records a run.
type AgentStatus struct {
	PID   int       `json:"pid,omitempty"` // also of one that is dead
	Alive bool      `json:"alive"`
	Seen  time.Time `json:"seen,omitzero"` // last sign of life
}

// BindingStatus is a bound cgroup.
type BindingStatus struct {
	Path     string `json:"path"` // empty: it is gone
	CgroupID uint64 `json:"cgroup_id"`
	Policy   string `json:"policy,omitempty"`
	Slot     uint32 `json:"slot"`
}

// RunCounters are the kernel's totals since the programs were loaded.
type RunCounters struct {
	Decisions uint64 `json:"decisions"`
	Denied    uint64 `json:"denied"`
	Lost      uint64 `json:"lost"` // for a full ring
	// Of what pods learn from DNS answers: what gave way to newer before its time,
	// and what there was no room for. Rules by name do not hold for it.
	NamesForgotten uint64 `json:"names_forgotten"`
	NamesUnlearned uint64 `json:"names_unlearned"`
}

// OffStatus is a part of enforcement that is switched off.
type OffStatus struct {
	Node     bool          `json:"node,omitempty"`
	Path     string        `json:"path,omitempty"`
	CgroupID uint64        `json:"cgroup_id,omitempty"`
	Left     time.Duration `json:"left_ns"`
}

// Places are the directories of detached runs.
type Places struct {
	Runs string // states; empty: DefaultRuns
	Pins string // empty: loader.PinRoot
}

func (p *Places) defaults() {
	if p.Runs == "" {
		p.Runs = DefaultRuns
	}
	if p.Pins == "" {
		p.Pins = loader.PinRoot
	}
}

// Status lists all that is pinned, and all runs that have a state.
func Status(p Places) ([]RunStatus, error) {
	p.defaults()
	found := map[string]*RunStatus{}
	names, err := stateNames(p.Runs)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		found[n] = &RunStatus{Name: n, instance: true}
	}
	pinned, err := loader.Instances(p.Pins)
	if err != nil {
		return nil, err
	}
	for _, in := range pinned {
		name, isRun := instanceOf(in.Name)
		if !isRun {
			name = in.Name
		}
		s := found[name]
		if s == nil || !isRun {
			s = &RunStatus{Name: name, instance: isRun, Daemon: in.Name == nodeInstance}
			found[name] = s
		}
		s.Pins, s.Generation, s.Key, s.Older = in.Dir, in.Generation, in.Key, in.Older
	}
	paths, err := cgroupPaths()
	if err != nil {
		return nil, err
	}
	var out []RunStatus
	for _, n := range slices.Sorted(maps.Keys(found)) {
		s := found[n]
		s.fill(p, paths)
		out = append(out, *s)
	}
	return out, nil
}

// cgroupPaths finds every cgroup's directory by its id.
func cgroupPaths() (map[uint64]string, error) {
	out := map[uint64]string{}
	mount, err := cgroup.Mount("/proc/self/mountinfo")
	if errors.Is(err, cgroup.ErrNoUnified) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	err = filepath.WalkDir(mount, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // cgroups come and go
		}
		var st syscall.Stat_t
		if syscall.Stat(p, &st) == nil {
			out[st.Ino] = p
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	return out, nil
}

// fill finds out the rest about a run.
func (s *RunStatus) fill(p Places, paths map[uint64]string) {
	policy := ""
	if s.instance {
		st, err := readState(filepath.Join(p.Runs, s.Name))
		if err != nil {
			s.Problems = append(s.Problems, err.Error()+"; enforcement needs it not, records will lack names of rules")
		} else {
			s.Argv, s.Build, s.Log, s.Output, policy = st.Argv, st.Build, st.Log, st.Output, st.Policy
		}
		s.Agent.PID, s.Agent.Alive, s.Agent.Seen = agentOf(p.Runs, s.Name)
	}
	if s.Daemon {
		s.Agent.PID, s.Agent.Alive, s.Agent.Seen = agentOf(filepath.Dir(p.Runs), nodeInstance)
	}
	if s.Pins == "" || s.Generation == 0 {
		s.State = RunGone
		if s.Agent.Alive {
			s.State = RunStarting
		}
		return
	}
	in, err := loader.Inspect(s.Pins)
	if err != nil {
		s.State = RunEnforced
		s.Problems = append(s.Problems, err.Error())
		return
	}
	s.Tasks = len(in.Armed)
	for _, b := range in.Bindings {
		s.Bindings = append(s.Bindings, BindingStatus{Path: paths[b.Cgroup], CgroupID: b.Cgroup, Policy: policy, Slot: b.Slot})
	}
	s.Counters = &RunCounters{}
	for _, c := range in.Stats {
		s.Counters.Decisions += c.Decisions
		s.Counters.Denied += c.Denied
		s.Counters.Lost += c.Lost
		s.Counters.NamesForgotten += c.NamesForgotten
		s.Counters.NamesUnlearned += c.NamesUnlearned
	}
	if s.Off, err = switchedOff(s.Pins, paths); err != nil {
		s.Problems = append(s.Problems, err.Error())
	}
	switch {
	case s.Agent.Alive:
		s.State = RunEnforced
	case len(in.Bindings) == 0 && !s.Daemon:
		s.State = RunIncomplete
	case s.Tasks == 0 && !s.populated(in):
		s.State = RunEnded
	default:
		s.State = RunUnattended
	}
}

// populated says whether a task is in a bound cgroup, armed or not.
func (s *RunStatus) populated(in *loader.Inspection) bool {
	for _, b := range s.Bindings {
		if p, err := (&cgroup.Group{Dir: b.Path}).Populated(); b.Path != "" && (err != nil || p) {
			return true
		}
	}
	return false
}

// ResumeName is the one run that there is to resume.
func ResumeName(runs []RunStatus) (string, error) {
	var names []string
	for _, r := range runs {
		if r.instance && r.Pins != "" && !r.Agent.Alive {
			names = append(names, r.Name)
		}
	}
	switch len(names) {
	case 0:
		return "", errors.New("there is no run without an agent; node-agent status lists them")
	case 1:
		return names[0], nil
	}
	return "", fmt.Errorf("which run? without an agent are %s", strings.Join(names, ", "))
}

// FindRun is the run of a name.
func FindRun(runs []RunStatus, name string) (*RunStatus, error) {
	for i := range runs {
		if runs[i].Name == name {
			return &runs[i], nil
		}
	}
	return nil, &UnknownRunError{name}
}

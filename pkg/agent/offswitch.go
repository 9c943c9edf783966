package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// switchedOff lists what of an instance's enforcement is off now.
func switchedOff(pins string, paths map[uint64]string) (out []OffStatus, err error) {
	c, err := loader.OpenControl(pins)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	now, err := loader.Now()
	if err != nil {
		return nil, err
	}
	off, err := c.Disabled()
	if err != nil {
		return nil, err
	}
	for _, d := range off {
		out = append(out, OffStatus{Node: d.Cgroup == 0, CgroupID: d.Cgroup, Path: paths[d.Cgroup], Left: d.Until - now})
	}
	return out, nil
}

// A SwitchTarget is what the off switch is about: one of the three.
type SwitchTarget struct {
	Run    string
	Cgroup string // its directory
	Node   bool   // every set of programs that is pinned
}

// Switched is one setting of the off switch.
type Switched struct {
	Instance string    `json:"instance"`
	Node     bool      `json:"node,omitempty"`
	CgroupID uint64    `json:"cgroup_id,omitempty"`
	Until    time.Time `json:"until,omitzero"`
}

// NothingBoundError says that a target is gated by nothing that is pinned.
type NothingBoundError struct{ Target string }

func (e *NothingBoundError) Error() string {
	return e.Target + " is gated by no pinned run; node-agent status lists what is"
}

// SwitchOff switches enforcement off for a time; the kernel ends it. SwitchOn
// ends it at once. Both are recorded by the run's agent, now or when it resumes.
func SwitchOff(p Places, t SwitchTarget, period time.Duration, reason string) ([]Switched, error) {
	return throw(p, t, func(c *loader.Control, id uint64) (Switched, error) {
		return Switched{Until: time.Now().Add(period)}, c.Disable(id, period, reason)
	})
}

// SwitchOn is SwitchOff's end.
func SwitchOn(p Places, t SwitchTarget, reason string) ([]Switched, error) {
	return throw(p, t, func(c *loader.Control, id uint64) (Switched, error) { return Switched{}, c.Enable(id, reason) })
}

// throw throws the switch of every instance that a target concerns.
func throw(p Places, t SwitchTarget, set func(*loader.Control, uint64) (Switched, error)) ([]Switched, error) {
	p.defaults()
	var id uint64
	if t.Cgroup != "" {
		var err error
		if id, err = (&cgroup.Group{Dir: t.Cgroup}).ID(); err != nil {
			return nil, err
		}
	}
	pinned, err := loader.Instances(p.Pins)
	if err != nil {
		return nil, err
	}
	var out []Switched
	for _, in := range pinned {
		if in.Generation == 0 || t.Run != "" && in.Name != instancePrefix+t.Run {
			continue
		}
		done, err := throwOne(in, t, id, set)
		out = append(out, done...)
		if err != nil {
			return out, fmt.Errorf("%s: %w", in.Name, err)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	switch {
	case t.Run != "":
		return nil, &UnknownRunError{t.Run}
	case t.Node:
		return nil, &NothingBoundError{"this node"}
	}
	return nil, &NothingBoundError{t.Cgroup}
}

func throwOne(in loader.Instance, t SwitchTarget, id uint64, set func(*loader.Control, uint64) (Switched, error)) (out []Switched, err error) {
	about, err := loader.Inspect(in.Dir)
	if err != nil {
		return nil, err
	}
	targets := map[uint64]bool{}
	if t.Node {
		targets[0] = true
	}
	for _, b := range about.Bindings {
		if t.Run != "" || t.Cgroup != "" && b.Cgroup == id {
			targets[b.Bound] = true
		}
	}
	c, err := loader.OpenControl(in.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for id := range targets {
		s, err := set(c, id)
		if err != nil {
			return out, err
		}
		s.Instance, s.CgroupID, s.Node = in.Name, id, id == 0
		out = append(out, s)
	}
	return out, nil
}

package agent

import (
	"errors"

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

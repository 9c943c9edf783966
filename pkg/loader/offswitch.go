package loader

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// For how long enforcement can be switched off at once.
const (
	DisableLeast = time.Second
	DisableMost  = 24 * time.Hour // DISABLE_MOST of bpf/types.h
)

// ErrNotBound says that no binding gates a cgroup.
var ErrNotBound = errors.New("no policy is bound to this cgroup")

// bound is the cgroup of the binding that gates a cgroup; 0, the node, is itself.
func (c *Control) bound(cgroup uint64) (uint64, error) {
	if cgroup == 0 {
		return 0, nil
	}
	var b safeclawBinding
	err := c.bindings.Lookup(cgroup, &b)
	if errors.Is(err, ebpf.ErrKeyNotExist) || err == nil && b.Flags&uint32(BindExempt) != 0 {
		return 0, fmt.Errorf("cgroup %d: %w", cgroup, ErrNotBound)
	}
	if err != nil {
		return 0, fmt.Errorf("look for the binding of cgroup %d: %w", cgroup, err)
	}
	return b.Cgroup, nil
}

// Disabled is one setting of the off switch that is in force.
type Disabled struct {
	Cgroup       uint64 // that was bound; 0: the whole node
	Since, Until time.Duration
}

// Disable switches enforcement off for the binding that gates a cgroup, or with
// 0 for the whole node, from now for a time, whatever was set before. The kernel
// ends it. Who did it, and the reason, wait in the kernel for the agent to record
// them; while no more fit there it is refused.
func (c *Control) Disable(cgroup uint64, period time.Duration, reason string) error {
	if period < DisableLeast || period > DisableMost {
		return fmt.Errorf("switch enforcement off: %v is not between %v and %v", period, DisableLeast, DisableMost)
	}
	id, err := c.bound(cgroup)
	if err != nil {
		return fmt.Errorf("switch enforcement off: %w", err)
	}
	now, err := Now()
	if err != nil {
		return err
	}
	// First what will be in the log: nothing is off that nobody would hear of.
	s := Switch{When: now, Cgroup: id, Until: now + period, Reason: reason}
	if err := c.note(&s); err != nil {
		return fmt.Errorf("switch enforcement off: %w", err)
	}
	if err := c.disabled.Put(id, safeclawDisabled{Since: uint64(now), Until: uint64(s.Until)}); err != nil {
		return fmt.Errorf("switch enforcement off: %w", err)
	}
	return nil
}

// Enable ends what Disable began, at once. It is no error where nothing is off.
// A reason is optional.
func (c *Control) Enable(cgroup uint64, reason string) error {
	id := cgroup
	if bound, err := c.bound(cgroup); err == nil {
		id = bound
	} else if !errors.Is(err, ErrNotBound) {
		return fmt.Errorf("switch enforcement on: %w", err)
	}
	err := c.disabled.Delete(id)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("switch enforcement on: %w", err)
	}
	now, err := Now()
	if err != nil {
		return err
	}
	if err := c.note(&Switch{When: now, Cgroup: id, Reason: cmp.Or(reason, "switched on")}); err != nil {
		return fmt.Errorf("enforcement is on again, but nobody will record that: %w", err)
	}
	return nil
}

// Disabled lists what is off now, the node first.
func (c *Control) Disabled() ([]Disabled, error) {
	all, err := c.entries()
	if err != nil {
		return nil, err
	}
	now, err := Now()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(d Disabled) bool { return d.Until <= now }), nil
}

func (c *Control) entries() ([]Disabled, error) {
	var out []Disabled
	var id uint64
	var v safeclawDisabled
	it := c.disabled.Iterate()
	for it.Next(&id, &v) {
		out = append(out, Disabled{Cgroup: id, Since: time.Duration(v.Since), Until: time.Duration(v.Until)})
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read what is switched off: %w", err)
	}
	slices.SortFunc(out, func(a, b Disabled) int { return cmp.Compare(a.Cgroup, b.Cgroup) })
	return out, nil
}

// Switch is something that happened to the off switch.
type Switch struct {
	When     time.Duration // since boot
	Cgroup   uint64        // 0: the whole node
	Until    time.Duration // since boot; 0: enforcement is on again
	Expired  bool          // it is on again because its time was over
	UID, PID uint32        // who did it
	Comm     string
	Reason   string
}

// note keeps a change in the kernel until the agent records it.
func (c *Control) note(s *Switch) error {
	v := safeclawOffSwitch{Cgroup: s.Cgroup, Until: uint64(s.Until), Uid: uint32(os.Getuid()), Pid: uint32(os.Getpid())}
	reason := strings.TrimSpace(s.Reason)
	if reason == "" || len(reason) > len(v.Reason) {
		return fmt.Errorf("a reason of 1 to %d bytes is needed, not %d", len(v.Reason), len(reason))
	}
	copy(v.Reason[:], reason)
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		return fmt.Errorf("read own name: %w", err)
	}
	copy(v.Comm[:], bytes.TrimSpace(comm))
	for key := uint64(s.When); ; key++ {
		err := c.switches.Update(key, v, ebpf.UpdateNoExist)
		if errors.Is(err, ebpf.ErrKeyExist) {
			continue
		}
		if errors.Is(err, unix.E2BIG) {
			return fmt.Errorf("%d changes wait until the agent records them", c.switches.MaxEntries())
		}
		if err != nil {
			return fmt.Errorf("note the change: %w", err)
		}
		return nil
	}
}

// Switches calls fn for each change of the off switch that was not recorded yet,
// in their order, and forgets those for which fn gives no error. What is over is
// a change as well. There is one caller at a time, the agent.
func (c *Control) Switches(fn func(Switch) error) error {
	all, err := c.noted()
	if err != nil {
		return err
	}
	over, err := c.over()
	if err != nil {
		return err
	}
	all = append(all, over...)
	slices.SortStableFunc(all, func(a, b Switch) int { return cmp.Compare(a.When, b.When) })
	for _, s := range all {
		if err := fn(s); err != nil {
			return err
		}
		if s.Expired {
			err = c.forget(s)
		} else {
			err = c.switches.Delete(uint64(s.When))
		}
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forget a recorded change: %w", err)
		}
	}
	return nil
}

func (c *Control) noted() ([]Switch, error) {
	var out []Switch
	var when uint64
	var v safeclawOffSwitch
	it := c.switches.Iterate()
	for it.Next(&when, &v) {
		out = append(out, Switch{
			When: time.Duration(when), Cgroup: v.Cgroup, Until: time.Duration(v.Until), UID: v.Uid, PID: v.Pid,
			Comm: cString(v.Comm[:]), Reason: cString(v.Reason[:]),
		})
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read changes of the off switch: %w", err)
	}
	return out, nil
}

// over lists the entries whose time is over.
func (c *Control) over() ([]Switch, error) {
	all, err := c.entries()
	if err != nil {
		return nil, err
	}
	now, err := Now()
	if err != nil {
		return nil, err
	}
	var out []Switch
	for _, d := range all {
		if d.Until <= now {
			out = append(out, Switch{When: d.Until, Cgroup: d.Cgroup, Expired: true, Reason: "expired"})
		}
	}
	return out, nil
}

// forget removes an entry whose time is over. If somebody has switched off anew
// meanwhile, that stands.
func (c *Control) forget(s Switch) error {
	var v safeclawDisabled
	if err := c.disabled.LookupAndDelete(s.Cgroup, &v); err != nil {
		return err
	}
	if time.Duration(v.Until) == s.When {
		return nil
	}
	if err := c.disabled.Update(s.Cgroup, v, ebpf.UpdateNoExist); err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
		return fmt.Errorf("switch enforcement off again: %w", err)
	}
	return nil
}

package loader

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// AgentLoss is how old the agent's last Beat may be under onAgentLoss: deny,
// unless Options says otherwise.
const AgentLoss = time.Minute

// Control is the part of a loaded set of programs that works without the agent:
// its sign of life and the off switch.
type Control struct {
	control, disabled, switches, bindings *ebpf.Map
	hold                                  *os.File // of OpenControl: no upgrade replaces the set meanwhile
}

// Control returns the gate's own, which lives as long as the gate.
func (g *Gate) Control() *Control {
	m := g.coll.Maps
	return &Control{
		control: m[safeclawMapControl], disabled: m[safeclawMapDisabled],
		switches: m[safeclawMapSwitches], bindings: m[safeclawMapBindings],
	}
}

// Beat says that the agent is alive. Under onAgentLoss: deny everything is
// denied once the last Beat is older than Options.AgentLoss.
func (g *Gate) Beat() error { return g.Control().Beat() }

// OpenControl opens the set of pins in force in an instance's directory. It is
// ErrNoPins where none is. No upgrade replaces that set before Close: what is
// changed is changed for those who are gated.
func OpenControl(pinDir string) (*Control, error) {
	for {
		newest, err := inForce(pinDir)
		if err != nil {
			return nil, err
		}
		hold, err := newest.hold(unix.LOCK_SH)
		if errors.Is(err, fs.ErrNotExist) {
			continue // replaced and removed
		}
		if err != nil {
			return nil, err
		}
		if now, err := inForce(pinDir); err != nil || now != newest {
			if err := errors.Join(err, hold.Close()); err != nil {
				return nil, err
			}
			continue // replaced
		}
		c, err := newest.openControl()
		if err != nil {
			return nil, errors.Join(err, hold.Close())
		}
		c.hold = hold
		return c, nil
	}
}

func inForce(pinDir string) (generation, error) {
	gens, err := generations(pinDir)
	if err != nil {
		return generation{}, err
	}
	if len(gens) == 0 {
		return generation{}, fmt.Errorf("open %s: %w", pinDir, ErrNoPins)
	}
	return gens[len(gens)-1], nil
}

// hold waits for a lock of the generation's directory: shared by who changes its
// control maps, alone for who replaces it.
func (p generation) hold(how int) (*os.File, error) {
	f, err := os.Open(p.dir)
	if err != nil {
		return nil, fmt.Errorf("open pins: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", p.dir, err), f.Close())
	}
	return f, nil
}

func (p generation) openControl() (*Control, error) {
	c := &Control{}
	for name, m := range map[string]**ebpf.Map{
		safeclawMapControl: &c.control, safeclawMapDisabled: &c.disabled,
		safeclawMapSwitches: &c.switches, safeclawMapBindings: &c.bindings,
	} {
		var err error
		if *m, err = p.openMap(name); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

var _ io.Closer = (*Control)(nil)

// Close closes what OpenControl opened. Nothing changes in the kernel.
func (c *Control) Close() error {
	var errs []error
	for _, m := range []*ebpf.Map{c.control, c.disabled, c.switches, c.bindings} {
		if m != nil {
			errs = append(errs, m.Close())
		}
	}
	if c.hold != nil {
		errs = append(errs, c.hold.Close())
	}
	return errors.Join(errs...)
}

// Now is the time of the kernel's records: since boot, suspended time included.
func Now() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read the boot clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// begin sets the limit of a set of programs, and for a new one a first sign of
// life, from which the limit counts until the agent gives one of its own.
func (c *Control) begin(limit time.Duration, fresh bool) error {
	if limit == 0 {
		limit = AgentLoss
	}
	if limit < 0 {
		return fmt.Errorf("set the agent's limit: %v is no time", limit)
	}
	now, err := Now()
	if err != nil {
		return err
	}
	v := safeclawControl{Beat: uint64(now)}
	if !fresh {
		if err := c.control.Lookup(uint32(0), &v); err != nil {
			return fmt.Errorf("read the agent's last beat: %w", err)
		}
	}
	v.Limit = uint64(limit)
	if err := c.control.Put(uint32(0), v); err != nil {
		return fmt.Errorf("set the agent's limit: %w", err)
	}
	return nil
}

// Beat is Gate.Beat.
func (c *Control) Beat() error {
	now, err := Now()
	if err != nil {
		return err
	}
	var v safeclawControl
	if err := c.control.Lookup(uint32(0), &v); err != nil {
		return fmt.Errorf("read the agent's last beat: %w", err)
	}
	v.Beat = uint64(now)
	if err := c.control.Put(uint32(0), v); err != nil {
		return fmt.Errorf("give a sign of life: %w", err)
	}
	return nil
}

// Alive is when the agent gave its last sign of life, since boot, and how old
// that may be.
func (c *Control) Alive() (last, limit time.Duration, err error) {
	var v safeclawControl
	if err := c.control.Lookup(uint32(0), &v); err != nil {
		return 0, 0, fmt.Errorf("read the agent's last beat: %w", err)
	}
	return time.Duration(v.Beat), time.Duration(v.Limit), nil
}

// takeControl makes this set's sign of life, off switch and changes to be
// recorded those of the old one. What an old build does not have is left alone.
func (g *Gate) takeControl(old generation) error {
	from, err := old.openControl()
	if errors.Is(err, errDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(g.Control().take(from), from.Close())
}

func (c *Control) take(from *Control) error {
	var was, now safeclawControl
	if err := errors.Join(from.control.Lookup(uint32(0), &was), c.control.Lookup(uint32(0), &now)); err != nil {
		return fmt.Errorf("take over the agent's last beat: %w", err)
	}
	now.Beat = was.Beat
	if err := c.control.Put(uint32(0), now); err != nil {
		return fmt.Errorf("take over the agent's last beat: %w", err)
	}
	if err := from.copySwitches(c); err != nil {
		return fmt.Errorf("take over changes of the off switch: %w", err)
	}
	there, err := from.entries()
	if err != nil {
		return err
	}
	here, err := c.entries()
	if err != nil {
		return err
	}
	for _, d := range there {
		if err := c.disabled.Put(d.Cgroup, safeclawDisabled{Since: uint64(d.Since), Until: uint64(d.Until)}); err != nil {
			return fmt.Errorf("take over the off switch: %w", err)
		}
	}
	for _, d := range here {
		if slices.ContainsFunc(there, func(o Disabled) bool { return o.Cgroup == d.Cgroup }) {
			continue
		}
		if err := c.disabled.Delete(d.Cgroup); err != nil {
			return fmt.Errorf("take over the off switch: %w", err)
		}
	}
	return nil
}

func (c *Control) copySwitches(to *Control) error {
	var when uint64
	var v safeclawOffSwitch
	it := c.switches.Iterate()
	for it.Next(&when, &v) {
		if err := to.switches.Put(when, v); err != nil {
			return err
		}
	}
	return it.Err()
}

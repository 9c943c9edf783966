package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Start says how a Gate came to its programs.
type Start int

const (
	// StartFresh: nothing was pinned.
	StartFresh Start = iota
	// StartAdopted goes on with what the same build has pinned.
	StartAdopted
	// StartUpgraded has taken over from another build's programs.
	StartUpgraded
)

func (s Start) String() string {
	return [...]string{"fresh", "adopted", "upgraded"}[s]
}

// ErrBusy says that another living agent holds the pins.
var ErrBusy = errors.New("another agent holds these pins")

// errDamaged says that pins of a complete set are missing.
var errDamaged = errors.New("pins are missing")

// lockPins makes this process the instance's only agent, until the file is
// closed or the process ends.
func lockPins(pinDir string) (*os.File, error) {
	f, err := os.Open(pinDir)
	if err != nil {
		return nil, fmt.Errorf("open directory of pins: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrBusy
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", pinDir, err), f.Close())
	}
	return f, nil
}

func (p generation) openMap(name string) (*ebpf.Map, error) {
	m, err := ebpf.LoadPinnedMap(p.path(pinMaps, name), nil)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open pinned map %s: %w", name, err)
	}
	return m, nil
}

func (p generation) openProgram(name string) (*ebpf.Program, error) {
	prog, err := ebpf.LoadPinnedProgram(p.path(pinProgs, name), nil)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open pinned program %s: %w", name, err)
	}
	return prog, nil
}

// adopt opens the pins of the same build. Nothing in the kernel changes.
func (g *Gate) adopt(gen generation, spec *ebpf.CollectionSpec) (err error) {
	g.coll = &ebpf.Collection{Maps: map[string]*ebpf.Map{}, Programs: map[string]*ebpf.Program{}}
	for name := range spec.Maps {
		if g.coll.Maps[name], err = gen.openMap(name); err != nil {
			return err
		}
	}
	for name := range spec.Programs {
		if g.coll.Programs[name], err = gen.openProgram(name); err != nil {
			return err
		}
	}
	for _, h := range g.hooks {
		l, err := link.LoadPinnedLink(gen.path(pinLinks, h.program), nil)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", errDamaged, err)
		}
		if err != nil {
			return fmt.Errorf("open pinned link of %s: %w", h.program, err)
		}
		g.links = append(g.links, l)
		if err := sameProgram(l, g.coll.Programs[h.program]); err != nil {
			return fmt.Errorf("pinned link of %s: %w", h.program, err)
		}
	}
	if err := g.adoptNames(gen); err != nil {
		return err
	}
	if err := g.openGlobals(spec); err != nil {
		return err
	}
	g.gen = gen
	// Maps that replace the one of counted allows must have its size.
	var counted *ebpf.Map
	if err := g.coll.Maps[safeclawMapCounted].Lookup(uint32(0), &counted); err != nil {
		return fmt.Errorf("find counted allows: %w", err)
	}
	g.countedSpec.MaxEntries = counted.MaxEntries()
	if err := counted.Close(); err != nil {
		return err
	}
	return g.readSlots()
}

// sameProgram checks what a link attaches.
func sameProgram(l link.Link, p *ebpf.Program) error {
	li, err := l.Info()
	if err != nil {
		return fmt.Errorf("read link: %w", err)
	}
	pi, err := p.Info()
	if err != nil {
		return fmt.Errorf("read program: %w", err)
	}
	if id, ok := pi.ID(); !ok || li.Program != id {
		return fmt.Errorf("%w: it attaches program %d, not %d", errDamaged, li.Program, id)
	}
	return nil
}

// HeldSlot is a policy that was in force when this process came.
type HeldSlot struct {
	Slot    uint32
	TableID uint64
	Rules   int // with those that every policy has
	Large   bool
}

// readSlots finds the policies in the kernel.
func (g *Gate) readSlots() error {
	for n := range uint32(slots) {
		var at uint32
		if err := g.coll.Maps[safeclawMapPlaces].Lookup(n, &at); err != nil {
			return fmt.Errorf("read place of slot %d: %w", n, err)
		}
		if at == 0 {
			continue
		}
		p := &place{outer: g.coll.Maps[safeclawMapPoliciesSmall], key: at - 1, number: at - 1}
		s := &slot{large: p.number >= placesSmall, place: p}
		if s.large {
			p.outer, p.key = g.coll.Maps[safeclawMapPoliciesLarge], p.number-placesSmall
		}
		blob, err := readTables(p.outer, p.key)
		if err != nil {
			return fmt.Errorf("read policy in slot %d: %w", n, err)
		}
		s.id, s.rules = blob.id(), blob.rules()
		if err := g.coll.Maps[safeclawMapRuleCounts].Lookup(p.number, &p.counts); err != nil {
			return fmt.Errorf("open rule counters of slot %d: %w", n, err)
		}
		g.slots[n] = s
		g.last = (n + 1) % slots
	}
	return nil
}

// blob is tables as the kernel has them: docs/format/policy.md.
type blob []byte

const blobHead = 40

func (b blob) version() uint16 { return binary.LittleEndian.Uint16(b[4:]) }
func (b blob) size() int       { return int(binary.LittleEndian.Uint32(b[8:])) }
func (b blob) rules() int      { return int(binary.LittleEndian.Uint32(b[12:])) }
func (b blob) id() uint64      { return binary.LittleEndian.Uint64(b[16:]) }

func readTables(outer *ebpf.Map, key uint32) (blob, error) {
	var inner *ebpf.Map
	if err := outer.Lookup(key, &inner); err != nil {
		return nil, fmt.Errorf("open tables: %w", err)
	}
	defer inner.Close()
	b := make(blob, inner.ValueSize())
	if err := inner.Lookup(uint32(0), []byte(b)); err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	if len(b) < blobHead || b.size() > len(b) {
		return nil, fmt.Errorf("tables of %d bytes say that they have %d", len(b), b.size())
	}
	return b[:max(b.size(), blobHead)], nil
}

// How says how this Gate came to its programs.
func (g *Gate) How() Start { return g.how }

// Generation is the number of the set of pins in force, 0 without pins.
func (g *Gate) Generation() int { return g.gen.number }

// Held lists the policies of slots whose names this process does not know.
func (g *Gate) Held() []HeldSlot {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []HeldSlot
	for n := range uint32(slots) {
		if s := g.slots[n]; s != nil && s.tables == nil {
			out = append(out, HeldSlot{Slot: n, TableID: s.id, Rules: s.rules, Large: s.large})
		}
	}
	return out
}

// Adopt says what the tables in a held slot are. Others than these are refused.
func (g *Gate) Adopt(n uint32, t *policy.Tables) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.slots[n]
	if s == nil {
		return fmt.Errorf("adopt policy: slot %d is empty", n)
	}
	if s.id != t.ID {
		return fmt.Errorf("adopt policy: slot %d holds tables %016x, not %016x", n, s.id, t.ID)
	}
	s.tables = t
	return nil
}

// Binding is a cgroup that is bound to a slot.
type Binding struct {
	Cgroup uint64
	Bound  uint64 // the cgroup that was named to Bind: this one or one above it
	Kind   BindingKind
	Slot   uint32
}

// Bindings lists every cgroup whose tasks are armed, children that inherited it included.
func (g *Gate) Bindings() ([]Binding, error) { return readBindings(g.coll.Maps[safeclawMapBindings]) }

func readBindings(m *ebpf.Map) ([]Binding, error) {
	var out []Binding
	var key uint64
	var b safeclawBinding
	it := m.Iterate()
	for it.Next(&key, &b) {
		out = append(out, Binding{Cgroup: key, Bound: b.Cgroup, Kind: BindingKind(b.Flags), Slot: b.Slot})
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("list bindings: %w", err)
	}
	return out, nil
}

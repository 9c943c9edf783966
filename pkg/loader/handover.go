package loader

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// What passes from one set of programs to the next: docs/format/pins.md.
const (
	handoverMagic   = 0x4f484353
	handoverVersion = 1
)

// OtherFormError says that pinned programs are of a version that hands over in a
// form that this one does not know. They stay in force.
type OtherFormError struct{ Version uint16 }

func (e *OtherFormError) Error() string {
	return fmt.Sprintf("the programs in force hand over in form %d, and this version knows form %d: they stay in force; use the version that pinned them, or remove them with `node-agent uninstall`",
		e.Version, handoverVersion)
}

// thread is a task that is not mistaken for a later one of the same number.
type thread struct {
	tid   uint32
	start uint64
}

// exported is what a set of programs says about who is armed.
type exported struct {
	key     [3]uint64
	records map[thread]safeclawHandover
}

// export asks a set of programs who is armed.
func export(p *ebpf.Program) (*exported, error) {
	b, err := runIterator(p)
	if err != nil {
		return nil, err
	}
	return decodeExport(b)
}

func decodeExport(b []byte) (*exported, error) {
	var head safeclawHandoverHead
	n, err := binary.Decode(b, binary.LittleEndian, &head)
	if err != nil || head.Magic != handoverMagic {
		return nil, errors.New("read armed records: this is no handover")
	}
	size := binary.Size(safeclawHandover{})
	if head.Version != handoverVersion || int(head.RecordSize) < size {
		return nil, &OtherFormError{Version: head.Version}
	}
	out := &exported{key: head.HashKey, records: map[thread]safeclawHandover{}}
	b = b[n:]
	if len(b)%int(head.RecordSize) != 0 {
		return nil, fmt.Errorf("read armed records: %d bytes are no whole number of records", len(b))
	}
	for ; len(b) > 0; b = b[head.RecordSize:] {
		var h safeclawHandover
		if _, err := binary.Decode(b, binary.LittleEndian, &h); err != nil {
			return nil, fmt.Errorf("read armed records: %w", err)
		}
		out.records[thread{h.Tid, h.StartTime}] = h
	}
	return out, nil
}

const (
	flagArmed     = 1
	flagChain     = 16
	flagElsewhere = 64
)

// differs lists the records of the old set that the new one lacks or has otherwise,
// and counts the tasks whose exec only the old one has seen beginning.
func differs(old, now *exported) (diff []safeclawHandover, waiting int) {
	const same = flagArmed | flagArmLate | flagChain
	for t, o := range old.records {
		n, ok := now.records[t]
		switch {
		case !ok:
			diff = append(diff, o)
		case n.InExec != 0 && n.Flags&flagElsewhere != 0:
			waiting++
		case o.Flags&flagArmed == 0 || o.InExec != 0 || n.InExec != 0:
			// Each set has its own view of an exec under way.
			if o.Flags&flagArmed != 0 && n.Flags&flagArmed == 0 {
				diff = append(diff, o)
			}
		case n.Flags&same != o.Flags&same || n.Slot != o.Slot || n.Cgroup != o.Cgroup || n.Exe != o.Exe:
			diff = append(diff, o)
		}
	}
	return diff, waiting
}

// How long and in what steps two sets are brought to agree.
const (
	handoverWait = 30 * time.Second
	handoverStep = 5 * time.Millisecond
	handedMax    = 65536 // entries of the map handed
)

// takeRecords makes the armed records those of the old set, until both agree
// about every task and no exec is under way that only the old one judges.
func (g *Gate) takeRecords(ctx context.Context, exporter *ebpf.Program) error {
	for end := time.Now().Add(handoverWait); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		old, err := export(exporter)
		if err != nil {
			return err
		}
		now, err := export(g.coll.Programs[safeclawProgExportArmed])
		if err != nil {
			return err
		}
		diff, waiting := differs(old, now)
		if len(diff) == 0 && waiting == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("take over armed tasks: after %v %d differ and %d are in an exec", handoverWait, len(diff), waiting)
		}
		if err := g.take(diff[:min(len(diff), handedMax)]); err != nil {
			return err
		}
		time.Sleep(handoverStep)
	}
}

func (g *Gate) take(records []safeclawHandover) error {
	handed := g.coll.Maps[safeclawMapHanded]
	for _, r := range records {
		if err := handed.Put(r.Tid, r); err != nil {
			return fmt.Errorf("hand over task %d: %w", r.Tid, err)
		}
	}
	tids, err := g.iterate(safeclawProgImportArmed)
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := handed.Delete(r.Tid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("hand over task %d: %w", r.Tid, err)
		}
	}
	if slices.Contains(tids, 0) {
		return errors.New("take over armed tasks: no room for a record")
	}
	return nil
}

// takePolicies copies the old set's tables, slot by slot. Tables of a format that
// these programs do not read are asked for; without them a slot stays empty, and
// whoever it gates is denied everything.
func (g *Gate) takePolicies(old generation, tables func(uint64) *policy.Tables) error {
	places, err := old.openMap(safeclawMapPlaces)
	if err != nil {
		return err
	}
	defer places.Close()
	small, err := old.openMap(safeclawMapPoliciesSmall)
	if err != nil {
		return err
	}
	defer small.Close()
	large, err := old.openMap(safeclawMapPoliciesLarge)
	if err != nil {
		return err
	}
	defer large.Close()
	first := small.MaxEntries() // of the large places
	for n := range min(places.MaxEntries(), slots) {
		var at uint32
		if err := places.Lookup(n, &at); err != nil {
			return fmt.Errorf("read place of slot %d: %w", n, err)
		}
		if at == 0 {
			continue
		}
		outer, key := small, at-1
		if key >= first {
			outer, key = large, key-first
		}
		b, err := readTables(outer, key)
		if err != nil {
			return fmt.Errorf("read policy in slot %d: %w", n, err)
		}
		if err := g.takePolicy(n, b, tables); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gate) takePolicy(n uint32, b blob, tables func(uint64) *policy.Tables) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &slot{id: b.id(), rules: b.rules(), large: len(b) > policy.SmallTable}
	if b.version() != policy.TableVersion {
		var t *policy.Tables
		if tables != nil {
			t = tables(s.id)
		}
		if t == nil {
			g.log.Error("a policy in force has tables of another format: whoever it gates is denied everything until it is applied anew",
				"slot", n, "table", fmt.Sprintf("%016x", s.id), "format", b.version())
			g.slots[n] = s
			return nil
		}
		s, b = newSlot(t), t.Blob
	}
	var err error
	if s.place, err = g.write(s, b); err != nil {
		return err
	}
	if err := g.point(n, s.place); err != nil {
		return errors.Join(err, g.clear(s.place))
	}
	g.slots[n] = s
	g.last = (n + 1) % slots
	return nil
}

// takeBindings copies the old set's bindings. Cgroups that are made meanwhile
// below a bound one inherit in both sets.
func (g *Gate) takeBindings(old *ebpf.Map) error {
	bindings := g.coll.Maps[safeclawMapBindings]
	for {
		added := 0
		var key uint64
		var b safeclawBinding
		it := old.Iterate()
		for it.Next(&key, &b) {
			if err := g.coll.Maps[safeclawMapMaybeBound].Put(uint32(key%boundBits), uint32(1)); err != nil {
				return fmt.Errorf("take over binding of cgroup %d: %w", key, err)
			}
			err := bindings.Update(key, b, ebpf.UpdateNoExist)
			if errors.Is(err, ebpf.ErrKeyExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("take over binding of cgroup %d: %w", key, err)
			}
			added++
		}
		if err := it.Err(); err != nil {
			return fmt.Errorf("take over bindings: %w", err)
		}
		if added == 0 {
			return g.dropBindings(old)
		}
	}
}

// dropBindings removes those of cgroups that went while they were copied.
func (g *Gate) dropBindings(old *ebpf.Map) error {
	now, err := g.Bindings()
	if err != nil {
		return err
	}
	there, err := readBindings(old)
	if err != nil {
		return err
	}
	for _, b := range now {
		if !slices.ContainsFunc(there, func(o Binding) bool { return o.Cgroup == b.Cgroup }) {
			if err := g.Unbind(b.Cgroup); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeOver makes this set of programs, attached and empty, gate whom the old one
// gates. On error the old one is as it was.
func (g *Gate) takeOver(ctx context.Context, old generation, tables func(uint64) *policy.Tables) error {
	exporter, err := old.openProgram(safeclawProgExportArmed)
	if err != nil {
		return err
	}
	defer exporter.Close()
	bindings, err := old.openMap(safeclawMapBindings)
	if err != nil {
		return err
	}
	defer bindings.Close()
	if err := g.takeControl(old); err != nil {
		return err
	}
	if err := g.takePolicies(old, tables); err != nil {
		return err
	}
	// Records first: an exec in a bound cgroup would make a fresh one for a task that has one.
	if err := g.takeRecords(ctx, exporter); err != nil {
		return err
	}
	if err := g.takeBindings(bindings); err != nil {
		return err
	}
	return g.takeRecords(ctx, exporter)
}

// retirePasses bounds how often it is looked for bindings and records that are left.
const retirePasses = 64

// retire makes a pinned set of programs decide nothing any more. What lacks the
// means for it was never complete, or is damaged, and is removed as it is.
func retire(gen generation) error {
	bindings, err := gen.openMap(safeclawMapBindings)
	if errors.Is(err, errDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	defer bindings.Close()
	p, err := gen.openProgram(safeclawProgDisarm)
	if errors.Is(err, errDamaged) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.Close()
	for range retirePasses {
		there, err := readBindings(bindings)
		if err != nil {
			return err
		}
		for _, b := range there {
			if err := bindings.Delete(b.Cgroup); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("retire programs: %w", err)
			}
		}
		left, err := runIterator(p)
		if err != nil {
			return err
		}
		if len(there) == 0 && len(left) == 0 {
			return nil
		}
	}
	return fmt.Errorf("retire programs: tasks are still armed after %d passes", retirePasses)
}

// handoverKey reads the key of the subject hash, so that executables keep their identity.
func handoverKey(old generation) (*[3]uint64, error) {
	p, err := old.openProgram(safeclawProgExportArmed)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	e, err := export(p)
	if err != nil {
		return nil, err
	}
	return &e.key, nil
}

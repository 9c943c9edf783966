package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/k8s"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// gater is the kernel as a Reconciler uses it.
type gater interface {
	InstallPolicy(*policy.Tables) (uint32, error)
	ReplacePolicy(uint32, *policy.Tables) error
	Release(uint32) error
	Adopt(uint32, *policy.Tables) error
	Held() []loader.HeldSlot
	Bind(cgroup uint64, kind loader.BindingKind, slot uint32) error
	Unbind(cgroup uint64) error
	Bindings() ([]loader.Binding, error)
	Armed(cgroup uint64) ([]uint32, error)
	ArmExisting() ([]uint32, error)
	ReadNames(dir string) error
	SetNetwork(cgroup uint64, n loader.Network) error
	ForgetNetwork(cgroup uint64) error
	Networks() ([]uint64, error)
}

// ledger is told what has changed, after it has.
type ledger interface {
	Apply(name string, t *policy.Tables) error
	Bound(*audit.Binding) error
}

// Reconciler brings the kernel's bindings to what the cluster wants of the node.
// It holds on to what it cannot know to be over: a binding goes with its cgroup,
// or when the pod may be free; a policy when nobody is gated by it.
//
// Each pod, and each container with a policy of its own, has a slot, since tasks
// hold slots: a new version of its policy is swapped there, for all its tasks at
// once. Where slots run out a pod is gated by one that denies everything.
type Reconciler struct {
	gate   gater
	ledger ledger
	below  func(dir string) ([]uint64, error) // numbers of the cgroups below one
	log    *slog.Logger
	// Names, if set, says how a pod resolves names, and at which directory at or
	// above a cgroup its queries are read. Without it no pod resolves any.
	Names func(p *k8s.Pod, dir string) (n loader.Network, at string)

	units map[unitKey]*unit
	held  map[uint32]loader.HeldSlot // found in the kernel, and not claimed yet
	last  *uint32                    // slot for those that got none
	nets  map[uint64]loader.Network  // what was said of names, by cgroup
	// forgotten says that what agents before this one left of names was looked at.
	forgotten bool

	mu    sync.Mutex       // PodOf is asked by who records
	named map[uint64]owner // by cgroup
}

// unitKey names a pod, or a container of it.
type unitKey struct{ pod, container string }

// unit is who has a slot.
type unit struct {
	slot   uint32
	own    bool // the slot is its own
	tables *policy.Tables
	policy audit.Policy
	bound  map[uint64]string // cgroups that were bound to it, with their paths
}

// owner is whom a cgroup belongs to.
type owner struct {
	pod  *k8s.Pod
	unit unitKey
}

// NewReconciler makes one for a gate, which may have been in force before.
func NewReconciler(g gater, l ledger, below func(dir string) ([]uint64, error), log *slog.Logger) *Reconciler {
	r := &Reconciler{gate: g, ledger: l, below: below, log: log, units: map[unitKey]*unit{}, held: map[uint32]loader.HeldSlot{}, named: map[uint64]owner{}, nets: map[uint64]loader.Network{}}
	for _, h := range g.Held() {
		r.held[h.Slot] = h
	}
	return r
}

// PodOf says whose cgroup it is, for records and Events.
func (r *Reconciler) PodOf(cgroup uint64) (pod *k8s.Pod, container string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o, ok := r.named[cgroup]
	if !ok {
		return nil, ""
	}
	return o.pod, o.unit.container
}

func (r *Reconciler) name(cgroup uint64, p *k8s.Pod, container string) {
	r.mu.Lock()
	r.named[cgroup] = owner{p, unitKey{p.CgroupUID, container}}
	r.mu.Unlock()
}

// Reconcile does what is missing. dirs are the cgroups that there are now. An
// error leaves the rest of the work done as far as it goes; the next call tries
// again.
func (r *Reconciler) Reconcile(d *k8s.Desired, dirs []cgroup.Dir) error {
	found, err := r.gate.Bindings()
	if err != nil {
		return err
	}
	bound := make(map[uint64]loader.Binding, len(found))
	for _, b := range found {
		bound[b.Cgroup] = b
	}
	byPod := map[string][]cgroup.Dir{}
	for _, dir := range dirs {
		byPod[uidKey(dir.PodUID)] = append(byPod[uidKey(dir.PodUID)], dir)
	}
	r.unshare(dirs, bound)
	var errs []error
	fresh := 0
	for i := range d.Pods {
		p := &d.Pods[i]
		there := byPod[uidKey(p.CgroupUID)]
		if len(there) == 0 {
			continue
		}
		if p.Gate == nil {
			if !p.Pending {
				errs = append(errs, r.free(p, there, bound))
			}
			continue
		}
		n, err := r.pod(d, p, there, bound)
		fresh += n
		errs = append(errs, err)
	}
	errs = append(errs, r.clean(dirs))
	if !d.Remembered {
		errs = append(errs, r.disown(bound), r.forget(bound))
	}
	if fresh > 0 {
		late, err := r.gate.ArmExisting()
		if err != nil {
			errs = append(errs, err)
		}
		if len(late) > 0 {
			r.log.Info("tasks were gated while they ran", "tasks", len(late))
		}
	}
	return errors.Join(errs...)
}

// unshare leaves alone what was found in slots that several pods are bound to:
// what is put there for one would be in force for the tasks of the others.
func (r *Reconciler) unshare(dirs []cgroup.Dir, bound map[uint64]loader.Binding) {
	if len(r.held) == 0 {
		return
	}
	pods := map[uint32]string{}
	for _, d := range dirs {
		b, ok := bound[d.ID]
		if !ok || b.Kind&loader.BindExempt != 0 {
			continue
		}
		if uid, ok := pods[b.Slot]; ok && uid != uidKey(d.PodUID) {
			delete(r.held, b.Slot)
		}
		pods[b.Slot] = uidKey(d.PodUID)
	}
}

// disown empties slots that were found and that nothing is bound to. A task that
// has one still is denied everything.
func (r *Reconciler) disown(bound map[uint64]loader.Binding) error {
	used := map[uint32]bool{}
	for _, b := range bound {
		used[b.Slot] = used[b.Slot] || b.Kind&loader.BindExempt == 0
	}
	var errs []error
	for slot := range r.held {
		if !used[slot] {
			delete(r.held, slot)
			errs = append(errs, r.gate.Release(slot))
		}
	}
	return errors.Join(errs...)
}

// uidKey makes UIDs equal that a slice's name cannot tell apart.
func uidKey(uid string) string { return strings.ReplaceAll(uid, "_", "-") }

// pod gates one pod, and returns how many cgroups were bound anew.
func (r *Reconciler) pod(d *k8s.Desired, p *k8s.PodPolicy, dirs []cgroup.Dir, bound map[uint64]loader.Binding) (fresh int, err error) {
	names := map[string]string{} // containers by id
	for _, c := range p.Containers {
		if c.ID != "" {
			names[c.ID] = c.Name
		}
	}
	var errs []error
	for _, dir := range dirs {
		key, want := unitKey{pod: p.CgroupUID}, p.Gate.Enforced
		name := names[dir.ContainerID]
		if e, ok := p.Gate.Containers[name]; ok && name != "" && !dir.Monitor {
			key.container, want = name, e
		}
		r.name(dir.ID, p.Pod, name)
		n, err := r.bind(d, p.Pod, key, want, dir, name, bound)
		fresh += n
		errs = append(errs, err)
	}
	// A unit whose cgroups have all gone for now still has to be up to date for
	// tasks that left them.
	for key, u := range r.units {
		if key.pod != p.CgroupUID {
			continue
		}
		want := p.Gate.Enforced
		if e, ok := p.Gate.Containers[key.container]; ok && key.container != "" {
			want = e
		}
		if want.Tables != nil {
			errs = append(errs, r.update(u, want))
		}
	}
	return fresh, errors.Join(errs...)
}

// bind gates a cgroup and those below it.
func (r *Reconciler) bind(d *k8s.Desired, p *k8s.Pod, key unitKey, want k8s.Enforced, dir cgroup.Dir, container string, bound map[uint64]loader.Binding) (fresh int, failed error) {
	kind, slot := loader.BindContainer, uint32(0)
	var u *unit
	if want.Exempt {
		kind = loader.BindExempt
	} else {
		var err error
		if u, err = r.unit(d, key, want, bound[dir.ID]); err != nil {
			return 0, err
		}
		slot = u.slot
		u.bound[dir.ID] = dir.Path
	}
	now, ok := bound[dir.ID]
	if !want.Exempt {
		// Before it is bound, so that its first program resolves names.
		id := dir.ID
		if ok && now.Kind&loader.BindContainer != 0 && now.Slot == slot {
			id = now.Bound // it may have inherited
		}
		named, err := r.names(p, dir, id)
		if named {
			kind |= loader.BindNames
		}
		if err != nil {
			r.log.Error("no names are resolved", "cgroup", dir.Path, "error", err)
			defer func() { failed = errors.Join(failed, err) }()
		}
	}
	if ok && now.Kind == kind && (now.Slot == slot || want.Exempt) {
		return 0, nil
	}
	// First the cgroup, so that whatever is made below it from now on inherits.
	if err := r.gate.Bind(dir.ID, kind, slot); err != nil {
		return 0, err
	}
	fresh = 1
	if dir.ContainerID != "" {
		ids, err := r.below(dir.Path)
		if err != nil {
			return fresh, err
		}
		for _, id := range ids {
			if kind&loader.BindNames != 0 {
				if err := r.setNetwork(id, r.nets[dir.ID]); err != nil {
					return fresh, err
				}
			}
			if err := r.gate.Bind(id, kind, slot); err != nil {
				return fresh, err
			}
			r.name(id, p, container)
			if u != nil {
				u.bound[id] = dir.Path
			}
		}
	}
	rec := &audit.Binding{CgroupPath: []byte(dir.Path), CgroupID: dir.ID, Released: want.Exempt,
		Pod: audit.Pod{UID: p.CgroupUID, Namespace: p.Namespace, Name: p.Name, Container: container, ContainerID: dir.ContainerID}}
	if u != nil {
		rec.Policy = u.policy
	}
	return fresh, r.ledger.Bound(rec)
}

// unit returns the slot of a pod or container, with the wanted tables in it. was
// is how its cgroup is bound now.
func (r *Reconciler) unit(d *k8s.Desired, key unitKey, want k8s.Enforced, was loader.Binding) (*unit, error) {
	if u := r.units[key]; u != nil {
		return u, r.update(u, want)
	}
	u := &unit{own: true, bound: map[uint64]string{}}
	if h, ok := r.held[was.Slot]; ok && was.Kind&loader.BindContainer != 0 {
		// An agent before this one has gated it.
		delete(r.held, h.Slot)
		u.slot = h.Slot
		if h.TableID == want.Tables.ID && r.gate.Adopt(h.Slot, want.Tables) == nil {
			u.tables = want.Tables
			r.units[key] = u
			return u, r.applied(u, want)
		}
		r.units[key] = u
		return u, r.update(u, want)
	}
	slot, err := r.gate.InstallPolicy(want.Tables)
	if err != nil {
		r.log.Error("no room for a policy: its pod is denied everything", "pod", key.pod, "error", err)
		if slot, err = r.reserve(d); err != nil {
			return nil, err
		}
		u.own, u.tables = false, d.DenyAll
		want = k8s.Enforced{Tables: d.DenyAll, Denied: "no room"}
	}
	u.slot, u.tables = slot, want.Tables
	r.units[key] = u
	return u, r.applied(u, want)
}

// Reserve installs the policy of those for whom there is no room. Call it before
// anybody is gated.
func (r *Reconciler) Reserve(d *k8s.Desired) error {
	_, err := r.reserve(d)
	return err
}

func (r *Reconciler) reserve(d *k8s.Desired) (uint32, error) {
	if r.last != nil {
		return *r.last, nil
	}
	slot, err := r.gate.InstallPolicy(d.DenyAll)
	if err != nil {
		return 0, fmt.Errorf("install the policy that denies everything: %w", err)
	}
	r.last = &slot
	return slot, r.ledger.Apply("deny-all", d.DenyAll)
}

// update swaps the tables of a slot, if others are wanted.
func (r *Reconciler) update(u *unit, want k8s.Enforced) error {
	if !u.own || want.Tables == nil || u.tables != nil && u.tables.ID == want.Tables.ID {
		return nil
	}
	if err := r.gate.ReplacePolicy(u.slot, want.Tables); err != nil {
		return err
	}
	u.tables = want.Tables
	return r.applied(u, want)
}

// applied records what is in force.
func (r *Reconciler) applied(u *unit, want k8s.Enforced) error {
	name := want.Policy.String()
	if want.Denied != "" {
		name = "deny-all for " + name
	}
	u.policy = audit.Policy{Name: name, SourceHash: want.Tables.SourceHash, TableHash: want.Tables.Hash}
	return r.ledger.Apply(name, want.Tables)
}

// free lets go of a pod that need not be gated any more. Its tasks stay gated,
// by what is in their slot; what starts from now on is free.
func (r *Reconciler) free(p *k8s.PodPolicy, dirs []cgroup.Dir, bound map[uint64]loader.Binding) error {
	var errs []error
	for _, dir := range dirs {
		ids := []uint64{dir.ID}
		if dir.ContainerID != "" {
			below, err := r.below(dir.Path)
			errs = append(errs, err)
			ids = append(ids, below...)
		}
		for _, id := range ids {
			if _, ok := bound[id]; !ok {
				continue
			}
			if err := r.gate.Unbind(id); err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, r.ledger.Bound(&audit.Binding{Released: true, CgroupPath: []byte(dir.Path), CgroupID: id,
				Pod: audit.Pod{UID: p.CgroupUID, Namespace: p.Namespace, Name: p.Name, ContainerID: dir.ContainerID}}))
		}
	}
	return errors.Join(errs...)
}

// clean forgets cgroups that have gone, and empties the slots of those who have
// neither a cgroup nor a task left.
func (r *Reconciler) clean(dirs []cgroup.Dir) error {
	there := map[uint64]bool{}
	for _, d := range dirs {
		there[d.ID] = true
	}
	still, err := r.gate.Bindings()
	if err != nil {
		return err
	}
	bound, used := map[uint64]bool{}, map[uint32]bool{}
	for _, b := range still {
		bound[b.Cgroup] = true
		used[b.Slot] = used[b.Slot] || b.Kind&loader.BindExempt == 0
	}
	var errs []error
	for key, u := range r.units {
		for id, path := range u.bound {
			if there[id] || bound[id] {
				continue
			}
			left, err := r.gate.Armed(id)
			if err != nil || len(left) > 0 {
				errs = append(errs, err)
				continue
			}
			delete(u.bound, id)
			delete(r.nets, id)
			errs = append(errs, r.gate.ForgetNetwork(id))
			errs = append(errs, r.ledger.Bound(&audit.Binding{Released: true, CgroupPath: []byte(path), CgroupID: id,
				Pod: audit.Pod{UID: key.pod, Container: key.container}, Policy: u.policy}))
		}
		if len(u.bound) > 0 || used[u.slot] && u.own {
			continue
		}
		delete(r.units, key)
		if u.own {
			errs = append(errs, r.gate.Release(u.slot))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.named, func(id uint64, _ owner) bool { return !there[id] && !bound[id] })
	return errors.Join(errs...)
}

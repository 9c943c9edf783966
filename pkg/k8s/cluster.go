package k8s

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/klog/v2"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Options of a Cluster.
type Options struct {
	Node      string // this node's name
	Namespace string // the agent's own
	Self      string // UID of the agent's own pod, which is never gated
	// StateDir keeps what must outlive the process; empty: nothing does.
	StateDir string
	// Check says whether the enforcer can do what tables need. nil: it can.
	Check func(*policy.Tables) error
	// Running says whether anything still runs of a pod that the API does not
	// know any more; what is remembered of it is kept so long. nil: nothing.
	Running func(cgroupUID string) bool
	// Coalesce is how long to wait for further changes after one. Default: 20 ms.
	Coalesce time.Duration
	Logger   *slog.Logger
}

// Cluster follows what the cluster wants of this node.
type Cluster struct {
	o            Options
	w            *watches
	dirty        chan struct{}
	store        store
	memory       *remembered
	policies     *policies
	settings     *Settings
	settingsT    text // what the API says of them
	settingsRead bool // since the start
	floor        *Source
	floorT       text
	floorBad     string // no floor is in force though there should be one
	problems     []string
	told         map[string]map[Notice]bool // by the pod's UID
}

// New makes a Cluster. Run does the rest.
func New(core corev1client.CoreV1Interface, o Options) *Cluster {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Coalesce == 0 {
		o.Coalesce = 20 * time.Millisecond
	}
	if o.Running == nil {
		o.Running = func(string) bool { return false }
	}
	c := &Cluster{o: o, dirty: make(chan struct{}, 1), store: store{dir: o.StateDir}, policies: newPolicies(o.Check), told: map[string]map[Notice]bool{}}
	c.w = newWatches(core, o.Node, c.kick)
	return c
}

// kick says that something has changed.
func (c *Cluster) kick() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// Run calls apply with what is wanted, at first with what is remembered, then
// whenever something has changed, and notify with what pods' owners should be
// told, until the context ends. Neither is called by two goroutines, nor again
// before it has returned; what changes meanwhile is in the next call.
func (c *Cluster) Run(ctx context.Context, apply func(*Desired), notify func(Notice)) error {
	// client-go's own messages go the same way as ours.
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, logr.FromSlogHandler(c.o.Logger.Handler())))
	defer c.w.end()
	defer cancel()
	if err := c.restore(); err != nil {
		return err
	}
	c.w.start(ctx, c.o.Node)
	for {
		d, notices := c.desired(ctx)
		apply(d)
		for _, n := range notices {
			notify(n)
		}
		if err := c.store.save(c.memory); err != nil {
			// Enforcement goes on; after a restart without API server it would be less.
			c.o.Logger.Error("state directory", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.dirty:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.o.Coalesce):
		}
		// What has come until here is in what comes next.
		select {
		case <-c.dirty:
		default:
		}
	}
}

// restore reads the state directory.
func (c *Cluster) restore() error {
	var err error
	if c.memory, err = c.store.open(); err != nil {
		c.o.Logger.Error("state directory: what is damaged counts as unknown", "error", err)
	}
	c.settings = DefaultSettings()
	if l := c.memory.Settings; l != nil {
		if s, err := ParseSettings(l.Ref.String(), c.memory.texts[*l]); err == nil {
			c.settings = s
		}
	}
	if l := c.memory.Floor; l != nil {
		if text, ok := c.memory.texts[*l]; ok {
			c.floor = &Source{Ref: l.Ref, YAML: text, Hash: l.Hash}
		} else {
			c.floorBad = "the floor of before is lost"
		}
	}
	if err := c.options(); err != nil {
		c.floor, c.floorBad = nil, err.Error()
		if err := c.options(); err != nil {
			return err
		}
	}
	for l, text := range c.memory.texts {
		c.policies.remember(&Source{Ref: l.Ref, YAML: text, Hash: l.Hash})
	}
	return nil
}

// options compiles everything with the settings and the floor.
func (c *Cluster) options() error {
	o := policy.Options{DefaultBaseline: "image", AllowedRelaxations: c.settings.AllowedRelaxations}
	if c.settings.Enforcement == "observe" {
		o.Mode = "observe"
	}
	if c.floor != nil {
		f, err := policy.ParseFloor(c.floor.Ref.String(), c.floor.YAML)
		if err != nil {
			return fmt.Errorf("read the floor: %w", err)
		}
		o.Floor = f
	}
	return c.policies.setOptions(o)
}

// desired derives what is wanted from what is known now.
func (c *Cluster) desired(ctx context.Context) (*Desired, []Notice) {
	settings, floor := Ref{c.o.Namespace, SettingsName}, Ref{c.o.Namespace, FloorName}
	refs, namespaces := map[Ref]bool{settings: true, floor: true}, map[string]bool{}
	c.w.need(ctx, union(refs, keys(c.w.maps)), keys(c.w.spaces))
	c.operator(c.w.text(settings, SettingsKey), c.w.text(floor, policy.ManifestKey))

	d := &decider{settings: c.settings, policies: c.policies, namespace: c.o.Namespace, self: c.o.Self, namespaces: c.w.labels}
	pods, synced := c.pods()
	for _, p := range pods {
		for _, r := range d.refs(p, c.memory.Pods[p.CgroupUID]) {
			refs[r] = true
		}
		if c.settings.asksNamespaces() {
			namespaces[p.Namespace] = true
		}
	}
	c.w.need(ctx, refs, namespaces)
	c.policies.latest = map[Ref]text{}
	for r := range refs {
		c.policies.latest[r] = c.w.text(r, policy.ManifestKey)
	}

	out := &Desired{Settings: c.settings, Floor: c.floor, DenyAll: c.policies.denyAll, Remembered: !synced, Problems: slices.Clone(c.problems)}
	next := newRemembered()
	next.Floor, next.Settings, next.Answered = c.memory.Floor, c.memory.Settings, c.memory.Answered
	// Before the first answer ever nobody knows what the operator wants.
	waiting := !c.memory.Answered && (c.settingsT.state == asked || c.floorT.state == asked)
	var notices []Notice
	for _, p := range pods {
		g, m, said, pending := d.decide(p, c.memory.Pods[p.CgroupUID])
		if c.floorBad != "" && g != nil {
			c.closed(g)
		}
		out.Pods = append(out.Pods, PodPolicy{Pod: p, Gate: g, Pending: pending || waiting})
		if m != nil {
			next.Pods[p.CgroupUID] = m
		}
		if synced {
			notices = append(notices, said...)
		}
	}
	for uid, m := range c.memory.Pods {
		if next.Pods[uid] == nil && (!synced || c.o.Running(uid)) {
			next.Pods[uid] = m
		}
	}
	c.keepTexts(next)
	c.memory = next
	return out, c.untold(notices)
}

// closed denies everything, since there should be a floor and none is good.
func (c *Cluster) closed(g *Gate) {
	shut := func(e Enforced) Enforced {
		if e.Exempt {
			return e
		}
		return c.policies.denied(e.Policy, c.floorBad)
	}
	g.Enforced = shut(g.Enforced)
	for name, e := range g.Containers {
		g.Containers[name] = shut(e)
	}
}

// keepTexts keeps the texts that are remembered or in force, and forgets others.
func (c *Cluster) keepTexts(next *remembered) {
	next.names(func(l lastText) {
		if v := c.policies.known[l]; v != nil {
			v.used = true
			next.texts[l] = v.source.YAML
		} else if t, ok := c.memory.texts[l]; ok {
			next.texts[l] = t
		}
	})
	c.policies.sweep()
}

// operator takes in the operator's settings and floor. A bad or deleted one
// leaves what was in force.
func (c *Cluster) operator(settings, floor text) {
	c.problems = nil
	changed := false
	c.settingsT = settings
	c.floorT = floor
	if settings.state == present && settings.why == nil {
		s, err := ParseSettings(SettingsName, settings.yaml)
		if err != nil {
			c.problems = append(c.problems, err.Error())
		} else {
			if l := c.memory.Settings; l == nil || l.Hash != sha256.Sum256(settings.yaml) || !c.settingsRead {
				c.settings, c.settingsRead, changed = s, true, true
				c.remember(&c.memory.Settings, SettingsName, settings.yaml)
			}
		}
	} else if w := trouble(settings, SettingsName, c.memory.Settings != nil); w != "" {
		c.problems = append(c.problems, w)
	}

	old, oldBad := c.floor, c.floorBad
	if floor.state == present && floor.why == nil {
		h := sha256.Sum256(floor.yaml)
		_, err := policy.ParseFloor(FloorName, floor.yaml)
		switch {
		case err != nil:
			c.problems = append(c.problems, err.Error())
			if c.floor == nil {
				c.floorBad = "the operator's floor is bad, and there was no good one before"
			}
		case c.floor == nil || c.floor.Hash != h:
			c.floor, c.floorBad, changed = &Source{Ref: Ref{c.o.Namespace, FloorName}, YAML: floor.yaml, Hash: h}, "", true
		}
	} else if w := trouble(floor, FloorName, c.memory.Floor != nil); w != "" {
		c.problems = append(c.problems, w)
		if c.floor == nil && (floor.state == present || !c.memory.Answered) {
			c.floorBad = w
		}
	} else if floor.state == absent && c.memory.Floor == nil {
		c.floorBad = "" // there never was one
	}
	answered := func(t text) bool { return t.state == absent || t.state == present }
	if answered(settings) && answered(floor) {
		c.memory.Answered = true
	}
	if !changed {
		return
	}
	if err := c.options(); err != nil {
		// Only a floor that is too large can be the cause.
		c.problems = append(c.problems, err.Error())
		c.floor, c.floorBad = old, oldBad
		if old == nil {
			c.floorBad = "the operator's floor is bad, and there was no good one before"
		}
		if err := c.options(); err != nil {
			c.problems = append(c.problems, err.Error())
		}
		return
	}
	if c.floor != nil && c.floor != old {
		c.remember(&c.memory.Floor, FloorName, c.floor.YAML)
	}
}

// trouble says what is wrong with a ConfigMap of the operator that is not read.
func trouble(t text, name string, known bool) string {
	switch {
	case t.why != nil && t.state == unreadable:
		return fmt.Sprintf("%s cannot be read: %v", name, t.why)
	case t.why != nil:
		return t.why.Error()
	case t.state == absent && known:
		return name + " was deleted; what it said last stays in force"
	}
	return ""
}

func (c *Cluster) remember(to **lastText, name string, yaml []byte) {
	l := lastText{Ref{c.o.Namespace, name}, sha256.Sum256(yaml)}
	*to = &l
	c.memory.texts[l] = yaml
}

// pods lists the node's, as the API shows them, or before it has answered as
// they are remembered, by CgroupUID.
func (c *Cluster) pods() (out []*Pod, synced bool) {
	synced = c.w.pods.all(func(p *Pod) { out = append(out, p) })
	if !synced {
		out = nil
		for uid, m := range c.memory.Pods {
			out = append(out, m.pod(uid))
		}
	}
	out = slices.DeleteFunc(out, func(p *Pod) bool { return p.Ended && !c.o.Running(p.CgroupUID) })
	// Anybody may write a static pod's annotation on a pod of his own, to pass as
	// another one; a kubelet never runs it. Who has the UID counts, then who is
	// remembered, then who asks to be gated.
	best := map[string]*Pod{}
	for _, p := range out {
		if o := best[p.CgroupUID]; o == nil || c.rank(p) < c.rank(o) || c.rank(p) == c.rank(o) && p.UID < o.UID {
			best[p.CgroupUID] = p
		}
	}
	out = slices.DeleteFunc(out, func(p *Pod) bool { return best[p.CgroupUID] != p })
	slices.SortFunc(out, func(a, b *Pod) int { return strings.Compare(a.CgroupUID, b.CgroupUID) })
	return out, synced
}

// rank is less for who has the better claim to a UID.
func (c *Cluster) rank(p *Pod) int {
	n := 0
	if p.Static {
		n += 4
	}
	if m := c.memory.Pods[p.CgroupUID]; m == nil || m.Namespace != p.Namespace || m.Name != p.Name {
		n += 2
	}
	if p.wish().Policy == nil {
		n++
	}
	return n
}

// pod is what is known of a pod before the API has answered.
func (m *memory) pod(cgroupUID string) *Pod {
	p := &Pod{Namespace: m.Namespace, Name: m.Name, UID: m.UID, CgroupUID: cgroupUID, Static: m.UID != cgroupUID}
	if m.Wish.Policy != nil {
		p.Labels = map[string]string{PolicyLabel: *m.Wish.Policy}
	}
	for c, v := range m.Wish.Containers {
		if p.Annotations == nil {
			p.Annotations = map[string]string{}
		}
		p.Annotations[ContainerPrefix+c] = v
		p.Containers = append(p.Containers, Container{Name: c})
	}
	return p
}

// untold returns those notices that were not given yet. What is true again after
// it was not is told again.
func (c *Cluster) untold(notices []Notice) []Notice {
	now := map[string]map[Notice]bool{}
	var out []Notice
	for _, n := range notices {
		key := n
		key.Pod = nil
		if now[n.Pod.UID] == nil {
			now[n.Pod.UID] = map[Notice]bool{}
		}
		now[n.Pod.UID][key] = true
		if !c.told[n.Pod.UID][key] && n.Pod.UID != "" {
			out = append(out, n)
		}
	}
	if len(now) > 0 || len(c.told) > 0 {
		c.told = now
	}
	return out
}

func keys[K comparable, V any](m map[K]V) map[K]bool {
	out := make(map[K]bool, len(m))
	for k := range m {
		out[k] = true
	}
	return out
}

func union(a, b map[Ref]bool) map[Ref]bool {
	for k := range a {
		b[k] = true
	}
	return b
}

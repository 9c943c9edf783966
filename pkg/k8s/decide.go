package k8s

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// memory is what must be known of a pod beside what the API says of it now.
type memory struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	// Wish is what the pod asked for when it was gated first.
	Wish wish `json:"wish"`
	// Required is the operator's entry that gated it.
	Required string `json:"required,omitempty"`
	// Last is, by container and "" for the pod, the text of the policy that was
	// in force last, by its hash.
	Last map[string]lastText `json:"last,omitempty"`
}

// decider turns what is known into how a pod is gated. It has no state of its own.
type decider struct {
	settings   *Settings
	policies   *policies
	namespace  string // the agent's
	self       string // UID of the agent's own pod
	namespaces func(name string) labels.Set
}

// decide says how a pod is gated. m is what is remembered of it, or nil; what is
// to be remembered from now on is returned, nil for a pod that is not gated.
// pending says that it is not known yet whether the pod is gated at all.
func (d *decider) decide(p *Pod, m *memory) (g *Gate, next *memory, notices []Notice, pending bool) {
	if p.UID == d.self {
		return nil, nil, nil, false
	}
	say := func(reason string, warning bool, format string, args ...any) {
		notices = append(notices, Notice{Pod: p, Reason: reason, Warning: warning, Message: fmt.Sprintf(format, args...)})
	}
	want := p.wish()
	entry, err := d.settings.required(labels.Set(p.Labels), d.namespaces(p.Namespace))
	sticky := m != nil && !d.settings.OptOut
	if sticky && m.Required != "" {
		// The operator may take an entry away, the pod's owner may not leave it.
		if old := d.settings.entry(m.Required); old != nil {
			entry, err = old, nil
		}
	}
	if err != nil {
		pending = true // whatever else gates it meanwhile
	}
	if sticky && m.Wish.Policy != nil {
		if !want.equal(m.Wish) {
			say(ReasonLabelIgnored, true, "label or annotations %s were changed on the running pod; it stays gated as it was (policy %q). Start it anew, or ask the operator for optOut: allow",
				PolicyLabel, *m.Wish.Policy)
		}
		want = m.Wish
	}
	if entry == nil && want.Policy == nil {
		if len(want.Containers) > 0 {
			say(ReasonContainer, true, "annotations %s<container> mean nothing without the label %s: the pod is not gated", ContainerPrefix, PolicyLabel)
		}
		return nil, nil, notices, pending
	}

	next = &memory{Namespace: p.Namespace, Name: p.Name, UID: p.UID, Wish: want, Last: map[string]lastText{}}
	if entry != nil {
		next.Required = entry.id
	}
	g = &Gate{}
	forced := entry != nil && entry.Policy != ""
	switch {
	case forced:
		g.Enforced = d.enforced(Ref{d.namespace, entry.Policy}, "", m, next)
		if want.Policy != nil {
			say(ReasonLabelIgnored, false, "the operator requires the policy %s for this pod; its label %s is not used", entry.Policy, PolicyLabel)
		}
	case want.Policy == nil:
		g.Enforced = d.policies.denied(Ref{p.Namespace, ""}, "the operator requires a policy for this pod, and it has no label "+PolicyLabel)
	case *want.Policy == "":
		g.Enforced = d.policies.denied(Ref{p.Namespace, ""}, "the label "+PolicyLabel+" names no ConfigMap")
	default:
		g.Enforced = d.enforced(Ref{p.Namespace, *want.Policy}, "", m, next)
	}
	notices = d.about(notices, p, "", g.Enforced)

	for _, name := range slices.Sorted(maps.Keys(want.Containers)) {
		value := want.Containers[name]
		c, there := p.container(name)
		switch {
		case value == NoPolicy && there && d.settings.exempts(c, entry != nil):
			d.differ(g, name, Enforced{Exempt: true})
			say(ReasonApplied, false, "container %s is not gated: the operator lists it", name)
		case value == NoPolicy && there:
			say(ReasonExempt, true, "container %s is not exempt: the operator does not list it; the pod's policy gates it", name)
		case forced:
			say(ReasonLabelIgnored, false, "the operator requires a policy for this pod; the annotation of container %s is not used", name)
		case !there:
			say(ReasonContainer, true, "the pod has no container %s, for which it has an annotation", name)
		default:
			e := d.enforced(Ref{p.Namespace, value}, name, m, next)
			d.differ(g, name, e)
			notices = d.about(notices, p, name, e)
		}
	}
	return g, next, notices, pending
}

func (d *decider) differ(g *Gate, container string, e Enforced) {
	if g.Containers == nil {
		g.Containers = map[string]Enforced{}
	}
	g.Containers[container] = e
}

// enforced asks for the policy of a pod (container "") or container, and notes
// what is in force.
func (d *decider) enforced(ref Ref, container string, m, next *memory) Enforced {
	var last *lastText
	if m != nil {
		if l, ok := m.Last[container]; ok {
			last = &l
		}
	}
	e := d.policies.enforced(ref, last)
	switch {
	case e.Source != nil:
		next.Last[container] = lastText{ref, e.Source.Hash}
	case last != nil && last.Ref == ref:
		next.Last[container] = *last // it may be good again under another floor
	}
	return e
}

// about adds what the pod's owner is told of what gates it: nothing as long as
// the API server has not answered.
func (d *decider) about(to []Notice, p *Pod, container string, e Enforced) []Notice {
	if e.Policy.Name != "" && d.policies.latest[e.Policy].state == asked {
		return to
	}
	n := Notice{Pod: p, Reason: d.policies.reason(e), Warning: e.Denied != "" || e.Degraded != ""}
	where := ""
	if container != "" {
		where = "container " + container + ": "
	}
	switch {
	case e.Denied != "":
		n.Message = where + "nothing is allowed but what the baseline allows: " + e.Denied
	case e.Degraded != "":
		n.Message = fmt.Sprintf("%sthe policy of before stays in force (%s): %s", where, e.Source.Hash.short(), e.Degraded)
	default:
		mode := ""
		if e.Tables.Observe {
			mode = "; it observes, nothing is denied by it"
		}
		n.Message = fmt.Sprintf("%spolicy %s is in force (%s)%s", where, e.Policy, e.Source.Hash.short(), mode)
	}
	return append(to, n)
}

// refs lists the ConfigMaps that pods name, as decide would ask for them.
func (d *decider) refs(p *Pod, m *memory) []Ref {
	var out []Ref
	w := []wish{p.wish()}
	if m != nil {
		w = append(w, m.Wish)
	}
	for _, w := range w {
		if w.Policy == nil {
			continue
		}
		if *w.Policy != "" {
			out = append(out, Ref{p.Namespace, *w.Policy})
		}
		for _, v := range w.Containers {
			if v != NoPolicy && v != "" {
				out = append(out, Ref{p.Namespace, v})
			}
		}
	}
	for i := range d.settings.Require {
		if q := &d.settings.Require[i]; q.Policy != "" {
			out = append(out, Ref{d.namespace, q.Policy})
		}
	}
	return out
}

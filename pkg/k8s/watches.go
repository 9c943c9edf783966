package k8s

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// watches are those that the node needs now: its pods, and by name ConfigMaps
// and namespaces.
type watches struct {
	core    corev1client.CoreV1Interface
	changed func()
	pods    *sink[*Pod]
	maps    map[Ref]*named
	spaces  map[string]*named
	running sync.WaitGroup
}

// named is the watch of one object: a ConfigMap's data, a namespace's labels.
type named struct {
	*sink[map[string]string]
	stop context.CancelFunc
}

func newWatches(core corev1client.CoreV1Interface, node string, changed func()) *watches {
	return &watches{
		core: core, changed: changed, maps: map[Ref]*named{}, spaces: map[string]*named{},
		pods: newSink(func(o runtime.Object) (string, *Pod, bool) {
			pod, ok := o.(*corev1.Pod)
			if !ok || pod.Spec.NodeName != node {
				return "", nil, false
			}
			p := podOf(pod)
			return p.UID, p, true
		}, changed),
	}
}

func (w *watches) start(ctx context.Context, node string) {
	w.running.Go(func() { followPods(ctx, w.core, node, w.pods) })
}

// need starts the watches that are missing, and ends the others.
func (w *watches) need(ctx context.Context, refs map[Ref]bool, namespaces map[string]bool) {
	for ref := range refs {
		if w.maps[ref] == nil {
			n, ctx := w.named(ctx, func(o runtime.Object) (map[string]string, bool) {
				if m, ok := o.(*corev1.ConfigMap); ok && m.Name == ref.Name && m.Namespace == ref.Namespace {
					return m.Data, true
				}
				return nil, false
			})
			w.maps[ref] = n
			w.running.Go(func() { followConfigMap(ctx, w.core, ref, n.sink) })
		}
	}
	for name := range namespaces {
		if w.spaces[name] == nil {
			n, ctx := w.named(ctx, func(o runtime.Object) (map[string]string, bool) {
				if m, ok := o.(*corev1.Namespace); ok && m.Name == name {
					return m.Labels, true
				}
				return nil, false
			})
			w.spaces[name] = n
			w.running.Go(func() { followNamespace(ctx, w.core, name, n.sink) })
		}
	}
	maps.DeleteFunc(w.maps, func(ref Ref, n *named) bool { return n.unless(refs[ref]) })
	maps.DeleteFunc(w.spaces, func(name string, n *named) bool { return n.unless(namespaces[name]) })
}

func (w *watches) named(ctx context.Context, part func(runtime.Object) (map[string]string, bool)) (*named, context.Context) {
	ctx, stop := context.WithCancel(ctx)
	// There is one object at most, so it needs no key.
	return &named{newSink(func(o runtime.Object) (string, map[string]string, bool) {
		m, ok := part(o)
		if m == nil {
			m = map[string]string{}
		}
		return "", m, ok
	}, w.changed), stop}, ctx
}

// unless ends the watch if it is not needed.
func (n *named) unless(needed bool) bool {
	if !needed {
		n.stop()
	}
	return !needed
}

// end waits until all watches have ended, once their context has.
func (w *watches) end() { w.running.Wait() }

// text is what is known of a ConfigMap's value.
func (w *watches) text(ref Ref, key string) text {
	n := w.maps[ref]
	if n == nil {
		return text{state: asked}
	}
	data, ok, synced, err := n.get("")
	switch {
	case ok:
		// Also when the server does not answer now: it has not changed that we know.
		if yaml, ok := data[key]; ok {
			return text{state: present, yaml: []byte(yaml)}
		}
		return text{state: present, why: fmt.Errorf("the ConfigMap %s has no key %s", ref, key)}
	case synced:
		return text{state: absent}
	case err != nil:
		return text{state: unreadable, why: err}
	}
	return text{state: asked}
}

// labels are those of a namespace, nil where they are not known.
func (w *watches) labels(namespace string) labels.Set {
	n := w.spaces[namespace]
	if n == nil {
		return nil
	}
	l, ok, _, _ := n.get("")
	if !ok {
		return nil
	}
	return labels.Set(l)
}

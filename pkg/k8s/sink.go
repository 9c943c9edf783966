package k8s

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
)

// sink holds what one watch has brought, trimmed as it arrives: of an object
// only what trim makes of it is kept.
type sink[T any] struct {
	trim    func(runtime.Object) (key string, value T, ok bool)
	changed func()

	mu      sync.Mutex
	objects map[string]T
	synced  bool  // the API server has answered
	err     error // why it does not now
}

func newSink[T any](trim func(runtime.Object) (string, T, bool), changed func()) *sink[T] {
	return &sink[T]{trim: trim, changed: changed, objects: map[string]T{}}
}

// get returns what is there; synced is false before the first answer.
func (s *sink[T]) get(key string) (value T, ok, synced bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok = s.objects[key]
	return value, ok, s.synced, s.err
}

// all calls fn for each object.
func (s *sink[T]) all(fn func(T)) (synced bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.objects {
		fn(v)
	}
	return s.synced
}

func (s *sink[T]) set(o any) error {
	obj, ok := o.(runtime.Object)
	if !ok {
		return fmt.Errorf("a %T is no object", o)
	}
	k, v, ok := s.trim(obj)
	if !ok {
		return nil
	}
	s.mu.Lock()
	s.objects[k] = v
	s.mu.Unlock()
	s.changed()
	return nil
}

// Add is of cache.ReflectorStore.
func (s *sink[T]) Add(o any) error { return s.set(o) }

// Update is of cache.ReflectorStore.
func (s *sink[T]) Update(o any) error { return s.set(o) }

// Delete is of cache.ReflectorStore.
func (s *sink[T]) Delete(o any) error {
	obj, ok := o.(runtime.Object)
	if !ok {
		return fmt.Errorf("a %T is no object", o)
	}
	k, _, ok := s.trim(obj)
	if !ok {
		return nil
	}
	s.mu.Lock()
	delete(s.objects, k)
	s.mu.Unlock()
	s.changed()
	return nil
}

// Replace is of cache.ReflectorStore.
func (s *sink[T]) Replace(os []any, _ string) error {
	objects := make(map[string]T, len(os))
	for _, o := range os {
		obj, ok := o.(runtime.Object)
		if !ok {
			return fmt.Errorf("a %T is no object", o)
		}
		if k, v, ok := s.trim(obj); ok {
			objects[k] = v
		}
	}
	s.mu.Lock()
	s.objects, s.synced, s.err = objects, true, nil
	s.mu.Unlock()
	s.changed()
	return nil
}

// Resync is of cache.ReflectorStore.
func (s *sink[T]) Resync() error { return nil }

// note keeps why the API server does not answer.
func (s *sink[T]) note(err error) {
	s.mu.Lock()
	same := s.err != nil && err != nil && s.err.Error() == err.Error() || s.err == nil && err == nil
	s.err = err
	s.mu.Unlock()
	if !same {
		s.changed()
	}
}

// follow keeps a sink up to date until the context ends, whatever the API server
// does meanwhile.
func (s *sink[T]) follow(ctx context.Context, client any, what runtime.Object, selector fields.Selector,
	list func(context.Context, metav1.ListOptions) (runtime.Object, error), watcher func(context.Context, metav1.ListOptions) (watch.Interface, error)) {
	lw := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = selector.String()
			l, err := list(ctx, o)
			if err != nil {
				s.note(err)
			}
			return l, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = selector.String()
			w, err := watcher(ctx, o)
			s.note(err)
			return w, err
		},
	}, client)
	cache.NewReflectorWithOptions(lw, what, s, cache.ReflectorOptions{Name: fmt.Sprintf("%T %s", what, selector)}).RunWithContext(ctx)
}

// followPods watches the pods of one node.
func followPods(ctx context.Context, core corev1client.CoreV1Interface, node string, s *sink[*Pod]) {
	pods := core.Pods(metav1.NamespaceAll)
	s.follow(ctx, core, &corev1.Pod{}, fields.OneTermEqualSelector("spec.nodeName", node),
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) }, pods.Watch)
}

// followConfigMap watches one ConfigMap.
func followConfigMap(ctx context.Context, core corev1client.CoreV1Interface, ref Ref, s *sink[map[string]string]) {
	maps := core.ConfigMaps(ref.Namespace)
	s.follow(ctx, core, &corev1.ConfigMap{}, fields.OneTermEqualSelector(metav1.ObjectNameField, ref.Name),
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return maps.List(ctx, o) }, maps.Watch)
}

// followNamespace watches the labels of one namespace.
func followNamespace(ctx context.Context, core corev1client.CoreV1Interface, name string, s *sink[map[string]string]) {
	all := core.Namespaces()
	s.follow(ctx, core, &corev1.Namespace{}, fields.OneTermEqualSelector(metav1.ObjectNameField, name),
		func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return all.List(ctx, o) }, all.Watch)
}

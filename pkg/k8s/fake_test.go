package k8s

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Texts of policies. Their hashes differ, and what they say of /a tells them apart.
const (
	goodText = "version: 1\nrules:\n  - {action: file.read, path: /a, decision: allow}\n"
	newText  = "version: 1\nrules:\n  - {action: file.read, path: /b, decision: allow}\n"
	badText  = "version: 1\nrules:\n  - {action: file.read, pth: /a, decision: allow}\n"
)

// fakeCore is the fake API as a client for pkg/k8s.
type fakeCore struct {
	corev1client.CoreV1Interface
	set *fake.Clientset
}

// IsWatchListSemanticsUnSupported says that the fake cannot stream lists.
func (fakeCore) IsWatchListSemanticsUnSupported() bool { return true }

func newFake() fakeCore {
	set := fake.NewClientset()
	return fakeCore{set.CoreV1(), set}
}

func (f fakeCore) configMap(t *testing.T, namespace, name, key, text string) {
	t.Helper()
	o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string]string{key: text}}
	ctx := context.Background()
	if _, err := f.ConfigMaps(namespace).Update(ctx, o, metav1.UpdateOptions{}); err == nil {
		return
	}
	if _, err := f.ConfigMaps(namespace).Create(ctx, o, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (f fakeCore) policy(t *testing.T, name, text string) {
	t.Helper()
	f.configMap(t, "team", name, policy.ManifestKey, text)
}

// object is a pod of the node "here" in the namespace "team"; its UID is uid-NAME.
func object(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	o := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{}, Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{NodeName: "here", Containers: []corev1.Container{{Name: "main", Image: "i/main:1"}, {Name: "proxy", Image: "i/proxy:1"}}},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

func labelled(policy string) func(*corev1.Pod) {
	return func(o *corev1.Pod) { o.Labels[PolicyLabel] = policy }
}

func annotated(container, policy string) func(*corev1.Pod) {
	return func(o *corev1.Pod) { o.Annotations[ContainerPrefix+container] = policy }
}

func (f fakeCore) pod(t *testing.T, o *corev1.Pod) {
	t.Helper()
	ctx := context.Background()
	if _, err := f.Pods(o.Namespace).Update(ctx, o, metav1.UpdateOptions{}); err == nil {
		return
	}
	if _, err := f.Pods(o.Namespace).Create(ctx, o, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// runner is a Cluster that runs, and what it last said.
type runner struct {
	desired chan *Desired
	notices chan Notice
	last    *Desired
	said    []string
	stop    func()
}

func start(t *testing.T, core corev1client.CoreV1Interface, o Options) *runner {
	t.Helper()
	if o.Node == "" {
		o.Node = "here"
	}
	if o.Namespace == "" {
		o.Namespace = "agent"
	}
	if o.Coalesce == 0 {
		o.Coalesce = time.Millisecond
	}
	r := &runner{desired: make(chan *Desired, 10_000), notices: make(chan Notice, 10_000)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- New(core, o).Run(ctx, func(d *Desired) { r.desired <- d }, func(n Notice) { r.notices <- n })
	}()
	r.stop = func() {
		cancel()
		if err := <-ended; ctx.Err() == nil || err == nil {
			t.Errorf("it ended with %v", err)
		}
		ended <- context.Canceled
	}
	t.Cleanup(r.stop)
	return r
}

// until waits for what is wanted of a pod, as describe has it; "" for a pod that is not there.
func (r *runner) until(t *testing.T, name, want string) PodPolicy {
	t.Helper()
	late := time.After(2 * time.Minute)
	for {
		if r.last != nil {
			if p, got := r.pod(name); got == want {
				return p
			}
		}
		select {
		case r.last = <-r.desired:
		case <-late:
			_, got := r.pod(name)
			t.Fatalf("%s is %q, not %q", name, got, want)
		}
	}
}

func (r *runner) pod(name string) (PodPolicy, string) {
	for _, p := range r.last.Pods {
		if p.Name == name {
			return p, describe(p)
		}
	}
	return PodPolicy{}, ""
}

// describe puts what is wanted of a pod into words.
func describe(p PodPolicy) string {
	if p.Pending || p.Gate != nil && p.Gate.Pending {
		return "pending"
	}
	if p.Gate == nil {
		return "free"
	}
	s := word(p.Gate.Enforced)
	for _, c := range []string{"main", "proxy", "other"} {
		if e, ok := p.Gate.Containers[c]; ok {
			s += " " + c + "=" + word(e)
		}
	}
	return s
}

func word(e Enforced) string {
	switch {
	case e.Exempt:
		return "exempt"
	case e.Tables == nil:
		return "BROKEN"
	case e.Denied != "" && (e.Source != nil || allows(e.Tables, "/a") || allows(e.Tables, "/b")):
		return "BROKEN denial"
	case e.Denied != "":
		return "denied"
	}
	s := map[string]string{goodText: "good", newText: "new"}[string(e.Source.YAML)]
	if allows(e.Tables, "/a") != (s == "good") || allows(e.Tables, "/b") != (s == "new") {
		return "BROKEN tables"
	}
	if e.Degraded != "" {
		s += "!"
	}
	return s
}

func allows(t *policy.Tables, path string) bool {
	return t.Match(policy.KindRead, policy.PathSubject(true, path)).Allow
}

// heard waits for a notice of a reason that contains a text.
func (r *runner) heard(t *testing.T, name, reason, text string) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for {
		for _, s := range r.said {
			if strings.HasPrefix(s, name+" "+reason+" ") && strings.Contains(s, text) {
				return
			}
		}
		select {
		case n := <-r.notices:
			r.said = append(r.said, fmt.Sprintf("%s %s %s", n.Pod.Name, n.Reason, n.Message))
		case <-late:
			t.Fatalf("no %s about %s with %q in %q", reason, name, text, r.said)
		}
	}
}

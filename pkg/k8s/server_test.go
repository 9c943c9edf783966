package k8s

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// server is a real API server on which deploy/daemonset/base is installed.
type server struct {
	admin *Client
	rest  *rest.Config
}

// needServer skips the test where test/e2e/api has made no API server.
func needServer(t *testing.T) server {
	t.Helper()
	name := os.Getenv("SAFECLAW_KUBECONFIG")
	if name == "" {
		t.Skip("long only: needs the API server that test/e2e/api makes")
	}
	config, err := clientcmd.BuildConfigFromFlags("", name)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := connect(config, "test")
	if err != nil {
		t.Fatal(err)
	}
	return server{admin, config}
}

// agent is a client with the rights of the agent's pod on a node, which is made.
func (s server) agent(t *testing.T, node string) *Client {
	t.Helper()
	c, err := connect(s.agentConfig(t, node), Component)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s server) agentConfig(t *testing.T, node string) *rest.Config {
	t.Helper()
	n, err := s.admin.Core.Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.admin.Core.Nodes().Delete(context.Background(), node, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	token, err := s.admin.Core.ServiceAccounts("safeclaw").CreateToken(t.Context(), "node-agent", &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		BoundObjectRef: &authv1.BoundObjectReference{APIVersion: "v1", Kind: "Node", Name: node, UID: n.UID},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(s.rest)
	config.BearerToken = token.Status.Token
	return config
}

// TestServer: a real API server brings what the fake does, with the rights that
// the shipped manifests give.
func TestServer(t *testing.T) {
	s := needServer(t)
	ctx := context.Background()
	c := s.agent(t, "here")
	if _, err := s.admin.Core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team", Labels: map[string]string{"tier": "agents"}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.admin.Core.Namespaces().Delete(ctx, "team", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	f := fakeCore{CoreV1Interface: s.admin.Core}
	deadline := time.Now().Add(time.Minute)
	for { // the controllers' work: without it no pod is admitted
		if _, err := f.ServiceAccounts("team").Get(ctx, "default", metav1.GetOptions{}); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	create := func(o *corev1.Pod) {
		t.Helper()
		o.UID = ""
		if _, err := f.Pods("team").Create(ctx, o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	f.policy(t, "p", goodText)
	events := NewEvents(c.Core, "here", slog.New(slog.DiscardHandler))
	r := start(t, c.Core, Options{StateDir: t.TempDir()})
	create(object("web", labelled("p")))
	create(object("free"))
	create(object("other", labelled("p"), func(o *corev1.Pod) { o.Spec.NodeName = "elsewhere" }))
	create(object("broken", labelled("missing")))
	r.until(t, "web", "good")
	r.until(t, "free", "free")
	p := r.until(t, "broken", "denied")
	if _, s := r.pod("other"); s != "" {
		t.Error("a pod of another node is seen")
	}
	f.policy(t, "p", badText)
	r.heard(t, "web", ReasonRejected, "team/p:3:")
	r.until(t, "web", "good!")
	f.policy(t, "p", newText)
	r.until(t, "web", "new")
	f.policy(t, "missing", goodText)
	r.until(t, "broken", "good")
	if err := f.ConfigMaps("team").Delete(ctx, "p", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "web", "new!")

	events.Send(Notice{Pod: p.Pod, Reason: ReasonMissing, Message: "one", Warning: true})
	if events.flush(ctx) {
		t.Error("an event is left")
	}
	events.Send(Notice{Pod: p.Pod, Reason: ReasonMissing, Message: "one", Warning: true})
	if events.flush(ctx) {
		t.Error("an event is left")
	}
	l, err := f.Events("team").List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + p.UID + ",reason=" + ReasonMissing})
	if err != nil || len(l.Items) != 1 || l.Items[0].Count != 2 {
		t.Errorf("%v, %v", l.Items, err)
	}
}

// TestServerStatus: a node writes its own status, whose logs only grow.
func TestServerStatus(t *testing.T) {
	s := needServer(t)
	ctx := t.Context()
	here, other := s.agent(t, "status-1"), s.agent(t, "status-2")
	state := Status{Agent: "v1", Kernel: "6.12", Updated: "2026-11-23T00:00:00Z", Enforcing: true, Pods: PodCounts{Gated: 2},
		Logs: []LogState{{Log: "a", Size: 10, Root: "r", Checkpoint: "c"}}}
	report := func(c *Client, node string, logs ...LogState) error {
		next := state
		next.Logs = logs
		return c.Report(ctx, node, next)
	}
	if err := report(here, "status-1", state.Logs...); err != nil {
		t.Fatal(err)
	}
	for _, ok := range [][]LogState{
		{{Log: "a", Size: 10, Root: "r", Checkpoint: "c again"}},
		{{Log: "a", Size: 12, Root: "r2", Checkpoint: "c"}},
		{{Log: "b", Size: 1, Root: "r", Checkpoint: "c"}},
	} {
		if err := report(here, "status-1", ok...); err != nil {
			t.Errorf("%v: %v", ok, err)
		}
	}
	for what, logs := range map[string][]LogState{
		"a shorter log":                      {{Log: "a", Size: 11, Root: "r2", Checkpoint: "c"}},
		"another root of the same size":      {{Log: "a", Size: 12, Root: "r3", Checkpoint: "c"}},
		"a shorter one beside one that grew": {{Log: "b", Size: 2, Root: "r", Checkpoint: "c"}, {Log: "a", Size: 1, Root: "r", Checkpoint: "c"}},
	} {
		if err := report(here, "status-1", logs...); !apierrors.IsInvalid(err) && !apierrors.IsForbidden(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	got, err := here.status(ctx, "status-1")
	if err != nil {
		t.Fatal(err)
	}
	state.Logs = []LogState{{Log: "a", Size: 12, Root: "r2", Checkpoint: "c"}, {Log: "b", Size: 1, Root: "r", Checkpoint: "c"}}
	if d := cmp.Diff(state, got); d != "" {
		t.Error(d)
	}
	// A log that is left out.
	o, err := s.admin.Dynamic.Resource(statusResource).Get(ctx, "status-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	delete(o.Object["status"].(map[string]any), "logs")
	if _, err := s.admin.Dynamic.Resource(statusResource).Update(ctx, o, metav1.UpdateOptions{}); err == nil {
		t.Error("a log can be taken away")
	}
	if err := report(other, "status-1", LogState{Log: "a", Size: 100, Root: "x", Checkpoint: "c"}); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
		t.Errorf("another node's agent writes it: %v", err)
	}
	if o.GetOwnerReferences()[0].Kind != "Node" {
		t.Errorf("owners %v", o.GetOwnerReferences())
	}
}

// TestServerRights: what the agent may not do with its token.
func TestServerRights(t *testing.T) {
	s := needServer(t)
	ctx := t.Context()
	c := s.agent(t, "rights-1")
	s.agent(t, "rights-2")
	if err := c.Label(ctx, "rights-1", true); err != nil {
		t.Error(err)
	}
	n, err := c.Core.Nodes().Get(ctx, "rights-1", metav1.GetOptions{})
	if err != nil || n.Labels[EnforcingLabel] != "true" {
		t.Errorf("%v, %v", n.Labels, err)
	}
	if err := c.Label(ctx, "rights-1", false); err != nil {
		t.Error(err)
	}
	denied := func(what string, err error) {
		t.Helper()
		if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	denied("label another node", c.Label(ctx, "rights-2", true))
	for _, patch := range []string{`{"metadata":{"labels":{"x":"y"}}}`, `{"spec":{"unschedulable":true}}`, `{"metadata":{"annotations":{"x":"y"}}}`,
		`{"metadata":{"labels":{"safeclaw.dev/enforcing":"maybe"}}}`, `{"metadata":{"finalizers":["x.y/z"]}}`} {
		_, err := c.Core.Nodes().Patch(ctx, "rights-1", "application/merge-patch+json", []byte(patch), metav1.PatchOptions{})
		denied(patch, err)
	}
	_, err = c.Core.Secrets("safeclaw").List(ctx, metav1.ListOptions{})
	denied("list secrets", err)
	_, err = c.Core.ConfigMaps("safeclaw").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{})
	denied("make a ConfigMap", err)
	_, err = c.Core.Pods("default").Create(ctx, object("x"), metav1.CreateOptions{})
	denied("make a pod", err)
	_, err = c.Core.Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Errorf("list pods: %v", err)
	}
	denied("remove a status", c.Dynamic.Resource(statusResource).Delete(ctx, "rights-1", metav1.DeleteOptions{}))
}

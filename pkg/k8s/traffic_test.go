package k8s

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// How large the rest of the cluster is.
const (
	otherPods       = 10_000
	otherConfigMaps = 2_000
)

// meter counts what a client asks for and what it gets.
type meter struct {
	next            http.RoundTripper
	requests, bytes atomic.Int64
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	m.requests.Add(1)
	resp, err := m.next.RoundTrip(r)
	if err == nil {
		resp.Body = &meteredBody{resp.Body, m}
	}
	return resp, err
}

type meteredBody struct {
	io.ReadCloser
	m *meter
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.m.bytes.Add(int64(n))
	return n, err
}

// TestServerTraffic: what an agent asks of the API server follows its own node.
// A cluster of 10,000 other pods and 2,000 other ConfigMaps costs it nothing,
// whether they are there or change.
func TestServerTraffic(t *testing.T) {
	s := needServer(t)
	ctx := context.Background()
	agent := s.agentConfig(t, "near")
	s.space(t, "near")
	f := fakeCore{CoreV1Interface: s.admin.Core}
	pod := func(namespace, node, name, label string) *corev1.Pod {
		o := object(name, labelled(label))
		o.Namespace, o.UID, o.Spec.NodeName = namespace, "", node
		return o
	}
	const own, policies = 30, 5
	for i := range policies {
		f.configMap(t, "near", fmt.Sprintf("p%d", i), policy.ManifestKey, goodText)
	}
	for i := range own {
		o := pod("near", "near", fmt.Sprintf("pod-%d", i), fmt.Sprintf("p%d", i%policies))
		if _, err := f.Pods("near").Create(ctx, o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	begin := func() (*meter, *runner) {
		t.Helper()
		m := &meter{}
		config := rest.CopyConfig(agent)
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { m.next = next; return m })
		c, err := connect(config, Component)
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, c.Core, Options{Node: "near", StateDir: t.TempDir()})
		for i := range own {
			r.until(t, fmt.Sprintf("pod-%d", i), "good")
		}
		return m, r
	}
	// What the server sends by itself: bookmarks, once a minute for each watch.
	const aside = 16 << 10
	alone, first := begin()
	first.stop()

	s.agentConfig(t, "elsewhere") // pods of a node that there is not are removed
	s.space(t, "beside")
	fast := rest.CopyConfig(s.rest)
	fast.QPS = -1
	admin, err := corev1client.NewForConfig(fast)
	if err != nil {
		t.Fatal(err)
	}
	each(t, otherPods, func(i int) error {
		o := pod("beside", "elsewhere", fmt.Sprintf("other-%d", i), fmt.Sprintf("other-%d", i%otherConfigMaps))
		_, err := admin.Pods("beside").Create(ctx, o, metav1.CreateOptions{})
		return err
	})
	each(t, otherConfigMaps, func(i int) error {
		o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("other-%d", i)}, Data: map[string]string{policy.ManifestKey: goodText}}
		_, err := admin.ConfigMaps("beside").Create(ctx, o, metav1.CreateOptions{})
		return err
	})
	crowded, r := begin()
	t.Logf("%d pods of this node, %d policies: %d requests, %d bytes; beside %d pods and %d ConfigMaps: %d requests, %d bytes",
		own, policies, alone.requests.Load(), alone.bytes.Load(), otherPods, otherConfigMaps, crowded.requests.Load(), crowded.bytes.Load())
	if a, b := alone.requests.Load(), crowded.requests.Load(); b > a+2 {
		t.Errorf("%d requests instead of %d", b, a)
	}
	if a, b := alone.bytes.Load(), crowded.bytes.Load(); b > a+aside {
		t.Errorf("%d bytes instead of %d", b, a)
	}

	// All of it changes.
	requests, bytes := crowded.requests.Load(), crowded.bytes.Load()
	each(t, otherPods, func(i int) error {
		_, err := admin.Pods("beside").Patch(ctx, fmt.Sprintf("other-%d", i), types.MergePatchType, []byte(`{"metadata":{"labels":{"x":"y"}}}`), metav1.PatchOptions{})
		return err
	})
	each(t, otherConfigMaps, func(i int) error {
		_, err := admin.ConfigMaps("beside").Patch(ctx, fmt.Sprintf("other-%d", i), types.MergePatchType, []byte(`{"data":{"x":"y"}}`), metav1.PatchOptions{})
		return err
	})
	// A change of its own comes behind them all.
	f.configMap(t, "near", "p0", policy.ManifestKey, newText)
	r.until(t, "pod-0", "new")
	requests, bytes = crowded.requests.Load()-requests, crowded.bytes.Load()-bytes
	// There is no kubelet to end them, and one request for all takes longer than the server allows.
	now := int64(0)
	each(t, otherPods, func(i int) error {
		return admin.Pods("beside").Delete(ctx, fmt.Sprintf("other-%d", i), metav1.DeleteOptions{GracePeriodSeconds: &now})
	})
	each(t, own, func(i int) error {
		return admin.Pods("near").Delete(ctx, fmt.Sprintf("pod-%d", i), metav1.DeleteOptions{GracePeriodSeconds: &now})
	})
	t.Logf("while all of these and one policy of its own changed: %d requests, %d bytes", requests, bytes)
	if requests > 2 || bytes > aside {
		t.Errorf("changes elsewhere cost %d requests, %d bytes", requests, bytes)
	}
}

// space makes a namespace and waits until pods are admitted to it.
func (s server) space(t *testing.T, name string) {
	t.Helper()
	ctx := context.Background()
	if _, err := s.admin.Core.Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.admin.Core.Namespaces().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if _, err := s.admin.Core.ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{}); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// each does something for each number below n, some at a time.
func each(t *testing.T, n int, do func(int) error) {
	t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !t.Failed(); i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

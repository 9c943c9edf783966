package agent

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/k8s"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

func addrs(texts ...string) (out []netip.Addr) {
	for _, t := range texts {
		out = append(out, netip.MustParseAddr(t))
	}
	return out
}

// TestPodNames: who a pod may ask follows its dnsPolicy and the settings, and never
// what its owner wrote.
func TestPodNames(t *testing.T) {
	n := podNames{
		own:     "safeclaw",
		cluster: loader.Network{Resolvers: addrs("10.96.0.10"), Search: []string{"safeclaw.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp"}},
		node:    loader.Network{Resolvers: addrs("127.0.0.53", "192.0.2.1"), Search: []string{"corp"}},
	}
	cluster := []string{"web.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp"}
	for _, tt := range []struct {
		pod       k8s.Pod
		settings  k8s.Settings
		resolvers []netip.Addr
		search    []string
	}{
		{pod: k8s.Pod{DNSPolicy: "ClusterFirst"}, resolvers: addrs("10.96.0.10"), search: cluster},
		{pod: k8s.Pod{DNSPolicy: "ClusterFirstWithHostNet", HostNetwork: true}, resolvers: addrs("10.96.0.10"), search: cluster},
		{pod: k8s.Pod{DNSPolicy: "None"}, resolvers: addrs("10.96.0.10"), search: cluster},
		{pod: k8s.Pod{}, resolvers: addrs("10.96.0.10"), search: cluster},
		{pod: k8s.Pod{DNSPolicy: "Default"}, resolvers: addrs("192.0.2.1"), search: []string{"corp"}},
		{pod: k8s.Pod{DNSPolicy: "ClusterFirst", HostNetwork: true}, resolvers: addrs("127.0.0.53", "192.0.2.1"), search: []string{"corp"}},
		{pod: k8s.Pod{DNSPolicy: "Default"}, settings: k8s.Settings{Resolvers: addrs("10.0.0.9"), SearchDomains: []string{"more"}},
			resolvers: addrs("10.0.0.9"), search: []string{"corp", "more"}},
	} {
		tt.pod.Namespace = "web"
		got := n.of(&tt.pod, &tt.settings)
		if !slices.Equal(got.Resolvers, tt.resolvers) || !slices.Equal(got.Search, tt.search) {
			t.Errorf("%+v: %v", tt.pod, got)
		}
	}
	if !slices.Equal(n.cluster.Search[:1], []string{"safeclaw.svc.cluster.local"}) || len(n.node.Search) != 1 {
		t.Errorf("changed by asking: %+v", n)
	}
}

// TestNodeResolvConf: links of the node's files lead within the node's root.
func TestNodeResolvConf(t *testing.T) {
	proc := t.TempDir()
	root := filepath.Join(proc, "root")
	for _, d := range []string{"etc", "run/systemd/resolve"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/run/systemd/resolve/stub", filepath.Join(root, "etc/resolv.conf")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"stub": "nameserver 127.0.0.53\nsearch a.example\n", "resolv.conf": "nameserver 192.0.2.7\nnameserver 127.0.0.53\n"} {
		if err := os.WriteFile(filepath.Join(root, "run/systemd/resolve", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := readPodNames("safeclaw-no-such-namespace", proc)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(n.node.Resolvers, addrs("127.0.0.53", "192.0.2.7")) || !slices.Equal(n.node.Search, []string{"a.example"}) {
		t.Errorf("%+v", n.node)
	}
	if len(n.cluster.Resolvers) > 0 {
		t.Errorf("this machine's own file is no pod's: %v", n.cluster)
	}
}

// TestReconcileNames: before a cgroup is bound its queries are read and its
// resolvers known; what was said goes with the cgroup, also by the next agent.
func TestReconcileNames(t *testing.T) {
	b := newBench(t)
	server := "10.96.0.10"
	names := func(p *k8s.Pod, dir string) (loader.Network, string) {
		return loader.Network{Resolvers: addrs(server), Search: []string{p.Name}}, "/kubepods"
	}
	b.r.Names = names
	b.pod("web", 1, "main", "own")
	b.dir(10, "web", "")
	b.dir(11, "web", "main")
	b.below["/11"] = []uint64{110}
	b.reconcile()
	want := loader.Network{Resolvers: addrs(server), Search: []string{"web"}}
	for _, id := range []uint64{10, 11, 110} {
		if d := cmp.Diff(want, b.gate.nets[id], cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" || b.gate.bindings[id].Kind&loader.BindNames == 0 {
			t.Errorf("cgroup %d: %v, %s", id, b.gate.bindings[id], d)
		}
	}
	if !b.gate.read["/kubepods"] || len(b.gate.read) != 1 {
		t.Errorf("read at %v", b.gate.read)
	}
	// One that inherited resolves as the one it inherited from.
	inherited := b.gate.bindings[10]
	inherited.Cgroup = 12
	b.gate.bindings[12] = inherited
	b.dir(12, "web", "late")
	server = "10.96.0.11"
	b.reconcile()
	if _, ok := b.gate.nets[12]; ok || b.gate.nets[10].Resolvers[0].String() != server {
		t.Errorf("%v", b.gate.nets)
	}
	b.gate.restart()
	b.gone(11) // while no agent runs
	b.gone(110)
	b.gate.armed[110] = []uint32{7}
	b.start()
	b.r.Names = names
	b.reconcile()
	if _, ok := b.gate.nets[11]; ok {
		t.Error("what was said of a cgroup outlives it")
	}
	if _, ok := b.gate.nets[110]; !ok {
		t.Error("a task that left resolves no names any more")
	}
	b.gone(10)
	b.gone(12)
	b.reconcile()
	if _, ok := b.gate.nets[10]; ok {
		t.Error("what was said of a cgroup outlives it")
	}
	// Where it cannot be read, the pod is gated all the same, and asks nobody.
	b.gate.unreadable = errors.New("no room")
	b.pod("other", 2)
	b.dir(20, "other", "")
	if err := b.r.Reconcile(b.want, b.dirs); err == nil {
		t.Error("nobody hears of it")
	}
	b.is(20, 2)
	if b.gate.bindings[20].Kind != loader.BindContainer {
		t.Errorf("%v", b.gate.bindings[20])
	}
	b.gate.unreadable = nil
	b.reconcile()
	if b.gate.bindings[20].Kind&loader.BindNames == 0 {
		t.Errorf("%v", b.gate.bindings[20])
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What a kubelet runs at most, and what the agent may take with that.
const (
	crowdPods     = 110
	crowdPolicies = 11
	memoryLimit   = 128 << 20
	rssLimit      = 64 << 20
)

// TestCrowd: the shipped agent with 110 gated pods of 11 policies. The pods are
// objects and cgroups alone, of a node without kubelet: what costs the agent and
// its part of the kernel memory is the same.
func TestCrowd(t *testing.T) {
	needCluster(t)
	remove(t)
	manifest := func(objects []any) {
		t.Helper()
		b, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
		if err != nil {
			t.Fatal(err)
		}
		if err := apply(string(b), "", "--server-side", "--force-conflicts"); err != nil {
			t.Fatal(err)
		}
	}
	type object = map[string]any
	manifest([]any{
		object{"apiVersion": "v1", "kind": "Node", "metadata": object{"name": "crowd"}},
		object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": "crowd"}},
	})
	t.Cleanup(func() {
		kubectl(t, "-n", "crowd", "delete", "pods", "--all", "--force", "--grace-period=0")
		kubectl(t, "delete", "node/crowd", "namespace/crowd", "--timeout=5m")
		kubectl(t, "-n", "safeclaw", "delete", "daemonset", "node-agent", "--timeout=5m")
	})
	eventually(t, func() string {
		if _, err := tryKubectl("-n", "crowd", "get", "serviceaccount", "default"); err != nil {
			return err.Error()
		}
		return ""
	})
	// Policies of a size as the reference policy's, each its own.
	reference := kubectl(t, "apply", "--dry-run=client", "-f", "../../deploy/examples/safeclaw-policy.configmap.yaml", "-o", `jsonpath={.data.safeclaw\.policy\.yaml}`)
	text := func(i int, more string) string {
		return strings.Replace(reference, "rules:", fmt.Sprintf("rules:\n  - {action: file.read, path: /srv/%d/**%s, decision: allow}", i, more), 1)
	}
	var objects []any
	for i := range crowdPolicies {
		objects = append(objects, object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": fmt.Sprintf("p%d", i), "namespace": "crowd"},
			"data": object{"safeclaw.policy.yaml": text(i, "")}})
	}
	for i := range crowdPods {
		objects = append(objects, object{"apiVersion": "v1", "kind": "Pod",
			"metadata": object{"name": fmt.Sprintf("pod-%d", i), "namespace": "crowd", "labels": object{"safeclaw.dev/policy": fmt.Sprintf("p%d", i%crowdPolicies)}},
			"spec": object{"nodeName": "crowd", "automountServiceAccountToken": false, "tolerations": []any{object{"operator": "Exists"}},
				"containers": []any{object{"name": "main", "image": "none"}}}})
	}
	manifest(objects)
	nodeShell(t)
	onNode(t, "mkdir -p /sys/fs/cgroup/crowd/kubepods/besteffort")
	t.Cleanup(func() { onNode(t, "find /sys/fs/cgroup/crowd -depth -type d -exec rmdir {} \\;") })

	// The agent as it is shipped, told to be that node's. It loads the programs itself, so that all they take is its pod's.
	shipped := kubectl(t, "kustomize", "../../deploy/daemonset/base")
	other := strings.Replace(shipped, "- --cgroup-root=/host/cgroup\n", "- --cgroup-root=/host/cgroup/crowd\n        - --node=crowd\n", 1)
	if other == shipped {
		t.Fatal("the DaemonSet does not say --cgroup-root=/host/cgroup")
	}
	if err := apply(other, "", "--server-side", "--force-conflicts"); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "-n", "safeclaw", "rollout", "status", "daemonset/node-agent", "--timeout=10m")
	uids := strings.Fields(kubectl(t, "-n", "crowd", "get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"))
	if len(uids) != crowdPods {
		t.Fatalf("%d pods", len(uids))
	}
	records := func(kind string, after uint64) (out []record) {
		t.Helper()
		// It is being written, so what is read is incomplete, which is an exit code.
		lines, _ := tryKubectl("-n", "safeclaw", "exec", "daemonset/node-agent", "--", "/node-agent", "audit", "cat", "/var/log/safeclaw/node")
		for l := range strings.Lines(lines) {
			var r record
			if err := json.Unmarshal([]byte(l), &r); err != nil {
				t.Fatalf("%q: %v", l, err)
			}
			if r.Kind == kind && r.Mono >= after {
				out = append(out, r)
			}
		}
		return out
	}
	began := uptime(t)
	onNode(t, "for u in "+strings.Join(uids, " ")+"; do mkdir -p /sys/fs/cgroup/crowd/kubepods/besteffort/pod$u/$(echo $u$u | tr -d -); done")
	made := uptime(t)
	var bound []record
	eventually(t, func() string {
		bound = records("pod.claimed", began)
		pods := map[string]bool{}
		for _, r := range bound {
			pods[r.Pod.UID] = true
		}
		if len(pods) != crowdPods {
			return fmt.Sprintf("%d of %d pods are bound", len(pods), crowdPods)
		}
		return ""
	})
	last := slices.MaxFunc(bound, func(a, b record) int { return int(int64(a.Mono) - int64(b.Mono)) }).Mono
	t.Logf("%d pods' cgroups were made in %v; the last was bound %v after the first was made", crowdPods, time.Duration(made-began), time.Duration(last-began))

	began = uptime(t)
	b, err := json.Marshal(object{"data": object{"safeclaw.policy.yaml": text(0, "/more")}})
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "-n", "crowd", "patch", "configmap", "p0", "--type=merge", "-p", string(b))
	sent := uptime(t)
	eventually(t, func() string {
		if r := records("policy.applied", began); len(r) > 0 {
			t.Logf("an edit of the policy of %d pods is in force %v after it was sent (the server had taken it after %v at most)", crowdPods/crowdPolicies, time.Duration(r[0].Mono-began), time.Duration(sent-began))
			return ""
		}
		return "the edit is not in force"
	})

	// What counts against the pod's limit, kernel memory included, and the process alone. The ring of decisions is mapped, twice, as the kernel
	// wants it, so that it is read in one piece: those pages are the kernel's, and counted there, once.
	uid := strings.TrimSpace(kubectl(t, "-n", "safeclaw", "get", "pods", "-l", "app.kubernetes.io/name=safeclaw-node-agent", "-o", "jsonpath={.items[0].metadata.uid}"))
	stat := onNode(t, `
		d=$(find /sys/fs/cgroup/kubepods -type d -name "pod`+uid+`")
		echo current $(cat $d/memory.current)
		cat $d/memory.stat
		for p in $(cat $d/*/cgroup.procs); do
			grep -q '^Name:.node-agent$' /proc/$p/status || continue
			grep -i rss /proc/$p/status
			awk '/^[0-9a-f]+-/ { bpf = /bpf-map/ } bpf && /^Rss:/ { kb += $2 } END { print "BpfRss:", kb + 0 }' /proc/$p/smaps
		done`)
	value := map[string]int{}
	for l := range strings.Lines(stat) {
		f := strings.Fields(strings.ReplaceAll(l, ":", " "))
		if n, err := strconv.Atoi(f[1]); err == nil {
			value[f[0]] = n
		}
	}
	for _, name := range []string{"current", "anon", "file", "kernel", "vmalloc", "percpu", "slab", "sock", "VmRSS", "RssAnon", "RssFile", "BpfRss"} {
		t.Logf("%s %d", name, value[name])
	}
	if value["VmRSS"] == 0 || value["BpfRss"] == 0 || value["current"] == 0 {
		t.Fatalf("not found in:\n%s", stat)
	}
	if rss := (value["VmRSS"] - value["BpfRss"]) << 10; rss > rssLimit {
		t.Errorf("the agent has %d bytes resident, more than %d", rss, rssLimit)
	}
	if value["current"] > memoryLimit {
		t.Errorf("the agent's pod takes %d bytes, more than %d", value["current"], memoryLimit)
	}
}

// remove ends an agent that is there, and takes the gates of the node away.
func remove(t *testing.T) {
	t.Helper()
	if _, err := tryKubectl("get", "namespace", "safeclaw"); err != nil {
		return
	}
	kubectl(t, "-n", "safeclaw", "delete", "daemonset", "node-agent", "--ignore-not-found", "--timeout=5m")
	kubectl(t, "-n", "safeclaw", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=safeclaw-node-agent", "--timeout=5m")
	kubectl(t, "apply", "-f", "testdata/uninstall.yaml")
	eventually(t, func() string {
		if p := kubectl(t, "-n", "safeclaw", "get", "pod", "uninstall", "-o", "jsonpath={.status.phase}"); p != "Succeeded" && p != "Failed" { // nothing was there
			return "uninstall is " + p
		}
		return ""
	})
	kubectl(t, "delete", "-f", "testdata/uninstall.yaml", "--timeout=5m")
}

// record is what these tests need of an audit record.
type record struct {
	Kind string
	Mono uint64
	Pod  struct{ UID string }
}

// uptime is the node's CLOCK_BOOTTIME in nanoseconds, to a hundredth of a second.
func uptime(t *testing.T) uint64 {
	t.Helper()
	s, err := strconv.ParseFloat(strings.Fields(onNode(t, "cat /proc/uptime"))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(s * 1e9)
}

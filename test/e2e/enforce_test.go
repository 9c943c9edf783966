package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// try runs shell text in a pod's container: does it succeed, and what did it say.
func try(pod, text string) (bool, string) {
	out, err := tryKubectl("-n", "ai-agents", "exec", pod, "-c", "main", "--", "sh", "-c", text)
	if err != nil {
		return false, err.Error()
	}
	return true, out
}

// TestEnforcement: what is shipped gates a pod on a node whose kernel enforces, by the reference policy as it is.
func TestEnforcement(t *testing.T) {
	needCluster(t)
	install(t)
	kubectl(t, "delete", "namespace", "ai-agents", "--ignore-not-found", "--timeout=5m") // of an earlier test
	kubectl(t, "create", "namespace", "ai-agents")
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := tryKubectl("-n", "safeclaw", "logs", "daemonset/node-agent", "--tail=40")
			t.Logf("the agent says:\n%s", out)
			out, _ = tryKubectl("-n", "ai-agents", "get", "events")
			t.Logf("events:\n%s", out)
		}
		kubectl(t, "delete", "namespace", "ai-agents", "--timeout=5m")
	})
	eventually(t, func() string {
		if _, err := tryKubectl("-n", "ai-agents", "get", "serviceaccount", "default"); err != nil {
			return err.Error()
		}
		return ""
	})
	events := func(reason, text string) func() string {
		return func() string {
			if out := kubectl(t, "-n", "ai-agents", "get", "events", "--field-selector=reason="+reason, "-o", "jsonpath={.items[*].message}"); !strings.Contains(out, text) {
				return "no Event " + reason + " with " + text + ", but: " + out
			}
			return ""
		}
	}
	// The policy comes after the pod: until then nothing is allowed.
	kubectl(t, "apply", "-f", "testdata/gated.yaml")
	kubectl(t, "-n", "ai-agents", "wait", "--for=condition=Ready", "pod/agent", "pod/free", "--timeout=5m")
	eventually(t, events("SafeClawPolicyMissing", "there is no ConfigMap ai-agents/safeclaw-policy"))
	may := func(pod, text string, want bool) {
		t.Helper()
		if ok, said := try(pod, text); ok != want {
			t.Errorf("%s: %q succeeds: %v, not %v: %s", pod, text, ok, want, said)
		}
	}
	const readData, readSecret, write, writeTmp, exec = "read x < /app/data/data", "read x < /secret/key", "echo > /app/output/f", "echo > /tmp/f", "/bin/ls /"
	eventually(t, func() string {
		if ok, _ := try("agent", readData); ok {
			return "the data may be read without a policy"
		}
		return ""
	})
	kubectl(t, "apply", "-f", "../../deploy/examples/safeclaw-policy.configmap.yaml")
	eventually(t, events("SafeClawPolicyApplied", "policy ai-agents/safeclaw-policy is in force"))
	all := func() {
		t.Helper()
		for text, ok := range map[string]bool{readData: true, readSecret: false, write: true, writeTmp: false, exec: false} {
			may("agent", text, ok)
			may("free", text, true)
		}
	}
	all()
	eventually(t, events("SafeClawDenied", `file.read of "/secret/`))

	// An edit is in force in the running pod; a bad one is not, and says where.
	good := kubectl(t, "-n", "ai-agents", "get", "configmap", "safeclaw-policy", "-o", `jsonpath={.data.safeclaw\.policy\.yaml}`)
	edit := func(text string) {
		t.Helper()
		b, err := json.Marshal(map[string]any{"data": map[string]string{"safeclaw.policy.yaml": text}})
		if err != nil {
			t.Fatal(err)
		}
		kubectl(t, "-n", "ai-agents", "patch", "configmap", "safeclaw-policy", "--type=merge", "-p", string(b))
	}
	edit(strings.Replace(good, "rules:", "rules:\n  - {action: file.write, path: /tmp/**, decision: allow}", 1))
	eventually(t, func() string {
		if ok, said := try("agent", writeTmp); !ok {
			return said
		}
		return ""
	})
	edit(strings.Replace(good, "decision:", "decison:", 1))
	eventually(t, events("SafeClawPolicyRejected", "ai-agents/safeclaw-policy:7:"))
	may("agent", writeTmp, true)
	may("agent", readSecret, false)
	edit(good)
	eventually(t, func() string {
		if ok, _ := try("agent", writeTmp); ok {
			return "/tmp may be written still"
		}
		return ""
	})

	// Without its label the pod stays gated, also by the next agent, and without any.
	kubectl(t, "-n", "ai-agents", "label", "pod", "agent", "safeclaw.dev/policy-")
	eventually(t, events("SafeClawLabelIgnored", "were changed on the running pod"))
	all()
	kubectl(t, "-n", "safeclaw", "delete", "pod", "--all", "--grace-period=0", "--force")
	may("agent", readSecret, false)
	kubectl(t, "-n", "safeclaw", "rollout", "status", "daemonset/node-agent", "--timeout=10m")
	eventually(t, func() string {
		out := kubectl(t, "get", "nodeenforcements", "node1", "--ignore-not-found", "-o", "jsonpath={.status.enforcing} {.status.pods.gated} {.status.problems}")
		if strings.TrimSpace(out) != "true 1" {
			return "the node's status is " + out
		}
		return ""
	})
	all()
	if out := kubectl(t, "get", "node", "node1", "-o", `jsonpath={.metadata.labels.safeclaw\.dev/enforcing}`); out != "true" {
		t.Errorf("the node's label is %q", out)
	}
	if out := kubectl(t, "-n", "safeclaw", "exec", "daemonset/node-agent", "--", "/node-agent", "status"); !strings.Contains(out, "node  enforced") {
		t.Errorf("node-agent status: %s", out)
	}

	// Removed: the DaemonSet first, which leaves the gate, then the gate.
	kubectl(t, "-n", "safeclaw", "delete", "daemonset", "node-agent", "--timeout=5m")
	kubectl(t, "-n", "safeclaw", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=safeclaw-node-agent", "--timeout=5m")
	may("agent", readSecret, false)
	kubectl(t, "apply", "-f", "testdata/uninstall.yaml")
	t.Cleanup(func() { kubectl(t, "delete", "-f", "testdata/uninstall.yaml", "--timeout=5m") })
	kubectl(t, "-n", "safeclaw", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/uninstall", "--timeout=5m")
	may("agent", readSecret, true)
}

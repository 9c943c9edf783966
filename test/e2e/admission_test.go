package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// needAPI skips the test where `api` has made no API server.
func needAPI(t *testing.T) {
	t.Helper()
	if os.Getenv("SAFECLAW_API") != "1" {
		t.Skip("long only: needs the API server that test/e2e/api makes")
	}
}

// apply applies a manifest as a user.
func apply(manifest, user string, args ...string) error {
	args = append([]string{"apply", "-f", "-"}, args...)
	if user != "" {
		args = append(args, "--as="+user)
	}
	cmd := exec.Command("./kubectl", args...)
	cmd.Stdin = strings.NewReader(manifest)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return &kubectlError{err, string(out)}
	}
	return nil
}

const configMap = `
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME, namespace: tenant}
data: {KEY: "VALUE"}
`

func configMapOf(name, key, value string) string {
	return strings.NewReplacer("NAME", name, "KEY", key, "VALUE", value).Replace(configMap)
}

const tenantPod = `
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: tenant, labels: {LABELS}}
spec:
  nodeSelector: {SELECTOR}
  containers: [{name: c, image: i}]
`

func podOf(name, labels, selector string) string {
	return strings.NewReplacer("NAME", name, "LABELS", labels, "SELECTOR", selector).Replace(tenantPod)
}

// TestAdmission: who may change what gates a pod, on a real API server with deploy/daemonset/base.
func TestAdmission(t *testing.T) {
	needAPI(t)
	kubectl(t, "create", "namespace", "tenant")
	t.Cleanup(func() { kubectl(t, "delete", "namespace", "tenant", "--ignore-not-found", "--wait=false") })
	for user, role := range map[string]string{"editor": "edit", "owner": "admin"} {
		kubectl(t, "-n", "tenant", "create", "rolebinding", user, "--clusterrole="+role, "--user="+user)
	}
	eventually(t, func() string {
		if _, err := tryKubectl("-n", "tenant", "get", "serviceaccount", "default"); err != nil {
			return err.Error()
		}
		if out := kubectl(t, "get", "clusterrole", "admin", "-o", "yaml"); !strings.Contains(out, "optins") {
			return "safeclaw-policy-editor is not aggregated to admin"
		}
		return ""
	})
	const policyKey = "safeclaw.policy.yaml"
	may := func(what, user, manifest string) {
		t.Helper()
		if err := apply(manifest, user); err != nil {
			t.Errorf("%s may not %s: %v", user, what, err)
		}
	}
	mayNot := func(what, user, manifest, why string) {
		t.Helper()
		if err := apply(manifest, user); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %s: %v, not %q", user, what, err, why)
		}
	}
	do := func(user, why string, args ...string) {
		t.Helper()
		_, err := tryKubectl(append([]string{"-n", "tenant", "--as=" + user}, args...)...)
		if why == "" && err != nil || why != "" && (err == nil || !strings.Contains(err.Error(), why)) {
			t.Errorf("%s: kubectl %v: %v, not %q", user, args, err, why)
		}
	}
	const why = "takes the ClusterRole safeclaw-policy-editor in tenant"
	const whyPod = "take the ClusterRole safeclaw-policy-editor in tenant"

	// Policies exist within a moment of being applied.
	eventually(t, func() string {
		if err := apply(configMapOf("early", policyKey, "x"), "editor", "--dry-run=server"); err == nil {
			return "the admission policies are not in force"
		}
		return ""
	})
	may("make another ConfigMap", "editor", configMapOf("other", "k", "v"))
	mayNot("make a policy", "editor", configMapOf("p", policyKey, "version: 1"), "to create it "+why)
	mayNot("turn a ConfigMap into a policy", "editor", configMapOf("other", policyKey, "version: 1"), "to update it "+why)
	may("make a policy", "owner", configMapOf("p", policyKey, "version: 1"))
	mayNot("change a policy", "editor", configMapOf("p", policyKey, "version: 1 # x"), why)
	mayNot("empty a policy", "editor", configMapOf("p", "k", "v"), why)
	do("editor", "to delete it "+why, "delete", "configmap", "p")
	do("editor", "", "label", "configmap", "p", "team=x") // metadata is nobody's business
	may("change a policy", "owner", configMapOf("p", policyKey, "version: 1 # y"))

	may("make a gated pod", "editor", podOf("web", "safeclaw.dev/policy: p", ""))
	may("make a pod", "editor", podOf("plain", "app: x", ""))
	do("editor", whyPod, "label", "pod", "web", "safeclaw.dev/policy-")
	do("editor", whyPod, "label", "pod", "web", "--overwrite", "safeclaw.dev/policy=q")
	do("editor", whyPod, "label", "pod", "plain", "safeclaw.dev/policy=q")
	do("editor", whyPod, "annotate", "pod", "web", "safeclaw.dev/policy.c=none")
	do("editor", "", "label", "pod", "web", "app=y")
	do("editor", "", "annotate", "pod", "web", "note=y")
	do("owner", "", "annotate", "pod", "web", "safeclaw.dev/policy.c=q")
	do("owner", "", "label", "pod", "plain", "safeclaw.dev/policy=p")

	kubectl(t, "label", "namespace", "tenant", "safeclaw.dev/require-policy=true", "safeclaw.dev/require-enforcing=true")
	eventually(t, func() string {
		if err := apply(podOf("no-label", "app: x", ""), "editor", "--dry-run=server"); err == nil {
			return "a pod without label is admitted"
		}
		return ""
	})
	mayNot("make a pod without label", "owner", podOf("no-label", "app: x", ""), "carry the label safeclaw.dev/policy")
	mayNot("make a pod for any node", "owner", podOf("any-node", "safeclaw.dev/policy: p", ""), "need nodeSelector")
	may("make a pod for enforcing nodes", "editor", podOf("good", "safeclaw.dev/policy: p", `safeclaw.dev/enforcing: "true"`))

	// The types of every expression are right.
	if out := kubectl(t, "get", "validatingadmissionpolicy", "-o", "jsonpath={.items[*].status.typeChecking.expressionWarnings}"); strings.TrimSpace(out) != "" {
		t.Errorf("type warnings: %s", out)
	}
	// Who removes the namespace removes its policies.
	kubectl(t, "delete", "pods", "--all", "-n", "tenant", "--force", "--grace-period=0")
	kubectl(t, "delete", "namespace", "tenant", "--timeout=5m")
}

package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestManifests: a real API server takes every folder that is shipped, with
// strict field names and no warning.
func TestManifests(t *testing.T) {
	needAPI(t)
	var folders []string
	for _, glob := range []string{"../../deploy/daemonset/base", "../../deploy/daemonset/preflight", "../../deploy/daemonset/overlays/*", "../../deploy/examples/agent"} {
		found, err := filepath.Glob(glob)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", glob, found, err)
		}
		folders = append(folders, found...)
	}
	for _, name := range []string{"ai-agents", "safeclaw-preflight"} { // what is only tried makes no namespace for what is in it
		kubectl(t, "create", "namespace", name)
		t.Cleanup(func() { kubectl(t, "delete", "namespace", name, "--timeout=5m") })
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			cmd := exec.Command("./kubectl", "apply", "--server-side", "--force-conflicts", "--validate=strict", "--dry-run=server", "-k", folder)
			var said bytes.Buffer
			cmd.Stderr = &said
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, said.String())
			}
			if strings.Contains(said.String(), "Warning") {
				t.Errorf("the server warns: %s", said.String())
			}
			t.Logf("%d objects", bytes.Count(out, []byte("\n")))
		})
	}
}

// TestExampleAgent: the ConfigMap of the example and the pods' label have one
// name, with a hash; such a pod is within Pod Security restricted, and none
// without label or for any node is admitted.
func TestExampleAgent(t *testing.T) {
	needAPI(t)
	const folder = "../../deploy/examples/agent"
	kubectl(t, "apply", "-f", folder+"/namespace.yaml")
	t.Cleanup(func() { kubectl(t, "delete", "namespace", "ai-agents", "--timeout=5m") })
	eventually(t, func() string {
		if _, err := tryKubectl("-n", "ai-agents", "get", "serviceaccount", "default"); err != nil {
			return err.Error()
		}
		return ""
	})
	kubectl(t, "apply", "--server-side", "-k", folder)
	var deployment struct {
		Spec struct {
			Template struct {
				Metadata struct{ Labels map[string]string }
				Spec     map[string]any
			}
		}
	}
	get(t, &deployment, "-n", "ai-agents", "deployment", "agent")
	template := deployment.Spec.Template
	name := template.Metadata.Labels["safeclaw.dev/policy"]
	if !regexp.MustCompile(`^safeclaw-policy-[a-z0-9]{10}$`).MatchString(name) {
		t.Fatalf("the label is %q", name)
	}
	if out := kubectl(t, "-n", "ai-agents", "get", "configmap", name, "-o", `jsonpath={.data.safeclaw\.policy\.yaml}`); !strings.HasPrefix(out, "version: 1\n") {
		t.Errorf("ConfigMap %s has %q", name, out)
	}
	// What the Deployment makes is admitted: pods exist, for which there is no node here.
	eventually(t, func() string {
		if out := kubectl(t, "-n", "ai-agents", "get", "pods", "-l", "safeclaw.dev/policy="+name, "-o", "name"); strings.Count(out, "\n") != 3 {
			return "there are no three pods: " + out + kubectl(t, "-n", "ai-agents", "get", "events")
		}
		return ""
	})
	pod := func(labels map[string]string, spec map[string]any) error {
		b, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": spec,
			"metadata": map[string]any{"name": "other", "namespace": "ai-agents", "labels": labels}})
		if err != nil {
			t.Fatal(err)
		}
		return apply(string(b), "", "--dry-run=server")
	}
	if err := pod(template.Metadata.Labels, template.Spec); err != nil {
		t.Errorf("a pod as the template says: %v", err)
	}
	if err := pod(nil, template.Spec); err == nil || !strings.Contains(err.Error(), "carry the label") {
		t.Errorf("a pod without label: %v", err)
	}
	delete(template.Spec, "nodeSelector")
	if err := pod(template.Metadata.Labels, template.Spec); err == nil || !strings.Contains(err.Error(), "need nodeSelector") {
		t.Errorf("a pod for any node: %v", err)
	}
}

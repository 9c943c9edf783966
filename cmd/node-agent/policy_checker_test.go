package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	configMap  = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: agent, namespace: ai}\ndata:\n  safeclaw.policy.yaml: |\n    version: 1\n"
	deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
)

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPolicyCheckDirectory(t *testing.T) {
	dir := tree(t, map[string]string{
		"a/policy.yaml":    good,
		"a/all.yml":        deployment + "---\n" + configMap,
		"deployment.yaml":  deployment,
		".hidden/bad.yaml": bad,
		".bad.yaml":        bad,
		"notes.txt":        "no",
	})
	if err := os.Symlink(filepath.Join(dir, "a/policy.yaml"), filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	out, code := command(t, "", "policy", "check", dir)
	want := []string{
		"/a/all.yml: skipped: Deployment web", "/a/all.yml (ai/agent): ok: 0 rules", "/a/policy.yaml: ok: 1 rules",
		"/deployment.yaml: skipped: Deployment web", "/link.yaml: ok: 1 rules",
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != len(want) {
		t.Fatalf("exit %d:\n%s", code, out)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], dir+w) {
			t.Errorf("line %d is %q, want %q", i, lines[i], w)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := command(t, "", "policy", "check", dir); code != exitUsage || !strings.Contains(out, "bad.yaml:3:13: ") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestPolicyCheckNothing(t *testing.T) {
	for name, dir := range map[string]string{
		"empty": tree(t, nil), "no policy": tree(t, map[string]string{"d.yaml": deployment}), "broken": tree(t, map[string]string{"d.yaml": "a: {{ .Values }}\n"}),
	} {
		if out, code := command(t, "", "policy", "check", dir); code != exitUsage {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
	}
	// What the user names is meant as a policy.
	if out, code := command(t, deployment, "policy", "check", "-"); code != exitUsage || !strings.Contains(out, `unknown field "apiVersion"`) {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code := command(t, deployment+"---\n"+deployment, "policy", "check", "-"); code != exitUsage || !strings.Contains(out, "skipped") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestPolicyCheckFloor(t *testing.T) {
	floor := write(t, "version: 1\nrules: [{id: f, action: file.read, path: /data/x, decision: deny}]\n")
	g := write(t, good)
	plain, _ := command(t, "", "policy", "check", g)
	under, code := command(t, "", "policy", "check", "--floor", floor, g)
	if code != 0 || plain == under {
		t.Errorf("exit %d, the same tables with and without a floor:\n%s", code, under)
	}
	caps := write(t, "version: 1\nbaseline: runtime\n")
	if out, code := command(t, "version: 1\nbaseline: image\n", "policy", "check", "--floor", caps, "-"); code != 0 || !strings.Contains(out, "changed by the floor: baseline: runtime instead of image") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out, code := command(t, "", "policy", "check", "--floor", floor); code != 0 || !strings.Contains(out, "(floor): ok: 1 rules") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if _, code := command(t, "", "policy", "check", "--floor", write(t, good)); code != exitUsage {
		t.Errorf("exit %d with a floor that allows", code)
	}
	if _, code := command(t, "", "policy", "check", "--floor", write(t, bad), g); code != exitUsage {
		t.Errorf("exit %d with a bad floor", code)
	}
}

func TestPolicyCheckOtherDialect(t *testing.T) {
	const hint = "node-agent policy import reads it"
	old := "version: 1\nrules: [{action: file_read, target: /x, effect: DENY}]\n"
	if out, code := command(t, old, "policy", "check", "-"); code != exitUsage || !strings.Contains(out, hint) {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out, _ := command(t, bad, "policy", "check", "-"); strings.Contains(out, hint) {
		t.Errorf("a misspelt policy is no other dialect:\n%s", out)
	}
}

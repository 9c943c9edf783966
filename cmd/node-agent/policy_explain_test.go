package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestPolicyExplain(t *testing.T) {
	const file = "testdata/lint/policy.yaml"
	for _, tt := range []struct {
		golden string
		args   []string
		code   int
	}{
		{"allowed", []string{"file.read", "/app/data/keys/x"}, 0},
		{"default", []string{"file.write", "/app/outputs/x", "--mounted"}, exitFindings},
		{"near", []string{"process.exec", "/usr/bin/python3.11", "--args", "-c 'print(1)'"}, exitFindings},
		{"name", []string{"network.request", "api.openai.com", "--port", "8443"}, 0},
		{"address", []string{"network.request", "10.1.2.3", "--protocol", "udp"}, 0},
		{"metadata", []string{"network.request", "169.254.169.254", "--port", "80"}, exitFindings},
		{"baseline", []string{"file.read", "/usr/lib/x.so", "--all"}, 0},
	} {
		out, code := command(t, "", append([]string{"policy", "explain", "--policy", file}, tt.args...)...)
		if code != tt.code {
			t.Errorf("%s: exit %d, want %d", tt.golden, code, tt.code)
		}
		golden(t, filepath.Join("testdata/explain", tt.golden+".txt"), out)
	}
}

func TestPolicyExplainConditions(t *testing.T) {
	const src = "version: 1\nbaseline: none\nrules:\n" +
		"  - {id: git, action: file.write, path: /repo/**, exe: /usr/bin/git, decision: allow}\n" +
		"  - {id: push, action: process.exec, command: {startsWith: git push}, decision: deny, reason: reviews first}\n" +
		"  - {id: any-git, action: process.exec, command: git **, decision: allow}\n"
	file := write(t, src)
	floor := write(t, "version: 1\nrules:\n  - {action: file.read, path: /x, decision: deny}\n")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"file.write", "/repo/a", "--exe", "/usr/bin/git"}, 0, "allowed by git"},
		{[]string{"file.write", "/repo/a", "--exe", "/usr/bin/vim"}, 1, "wants exe glob /usr/bin/git"},
		{[]string{"file.write", "/repo/a"}, 1, "wants exe a known executable"},
		{[]string{"process.exec", "/usr/bin/git", "--args", "push -f"}, 1, "denied by push"},
		{[]string{"process.exec", "/usr/bin/git", "--args", "push -f"}, 1, "reason: reviews first"},
		{[]string{"process.exec", "/usr/bin/git", "--args", "status"}, 0, "wants command startsWith git push"},
		{[]string{"--floor", floor, "file.read", "/x"}, 1, "the cluster's floor decides this"},
		{[]string{"file.raed", "/x"}, exitUsage, ""},
		{[]string{"file.read", "x"}, exitUsage, ""},
		{[]string{"file.read", "/x/"}, exitUsage, ""},
		{[]string{"file.read", "/x", "--exe", "git"}, exitUsage, ""},
		{[]string{"network.request", "127.1"}, exitUsage, ""},
		{[]string{"file.read", "/x", "--args", "a"}, exitUsage, ""},
		{[]string{"network.request", "a.example:443"}, exitUsage, ""},
		{[]string{"network.request", "a.example", "--protocol", "icmp"}, exitUsage, ""},
		{[]string{"network.request", "a.example", "--addr", "b"}, exitUsage, ""},
	} {
		out, code := command(t, "", append([]string{"policy", "explain", "--policy", file}, tt.args...)...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%v: exit %d, want %d:\n%s", tt.args, code, tt.code, out)
		}
	}
	out, _ := command(t, "", "policy", "explain", "-o", "json", "--policy", file, "file.write", "/repo/a")
	var got explainResult
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if v := got.Verdicts[0]; v.Allow || v.Rule.Name != "default" || len(v.Passed) != 1 || !strings.Contains(v.Change, "decision: allow") {
		t.Errorf("%s", out)
	}
}

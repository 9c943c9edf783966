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
		{[]string{"network.request", "a.example:https"}, exitUsage, ""},
		{[]string{"network.request", "a.example:443", "--port", "80"}, exitUsage, ""},
		{[]string{"network.request", "a.example", "--query-type", "TXTT"}, exitUsage, ""},
		{[]string{"network.request", "a.example", "--resolver", "b"}, exitUsage, ""},
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

func TestPolicyExplainNetwork(t *testing.T) {
	file := write(t, "version: 1\ndns: {maxLabel: 12}\nrules:\n"+
		"  - {id: api, action: network.request, host: api.example, port: 443, protocol: tcp, decision: allow}\n"+
		"  - {id: net, action: network.request, cidr: 10.0.0.0/8, port: [53, 8443], decision: allow}\n"+
		"  - {id: v6, action: network.request, cidr: 'fd00::/8', decision: allow}\n")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"api.example:443"}, 0, "connect 192.0.2.1:443/tcp as api.example: allowed by api"},
		{[]string{"api.example:8443"}, 1, "connect 192.0.2.1:8443/tcp as api.example: denied by default"},
		{[]string{"api.example", "--protocol", "udp"}, 1, "learn the route"},
		{[]string{"api.example", "--addr", "127.0.0.1", "--host-network"}, 1, "no answer binds 127.0.0.1"},
		{[]string{"api.example", "--query-type", "TXT"}, 1, "resolve api.example: denied by builtin/dns"},
		{[]string{"a-much-longer-label.example"}, 1, "dns.maxLabel"},
		{[]string{"evil.example"}, 1, "no answer binds an address to evil.example"},
		{[]string{"api.example.ns.svc", "--search", "ns.svc"}, 1, "resolve api.example.ns.svc: allowed by api"},
		{[]string{"api.example.ns.svc"}, 1, "resolve api.example.ns.svc: denied by default"},
		{[]string{"1.2.3.10.in-addr.arpa", "--query-type", "PTR"}, 1, "the name of an address"},
		{[]string{"10.1.2.3:53", "--protocol", "udp"}, 0, "allowed by net"},
		{[]string{"11.1.2.3:53", "--protocol", "udp"}, 1, "denied by builtin/resolver"},
		{[]string{"11.1.2.3:53", "--protocol", "udp", "--resolver", "11.1.2.3"}, 0, "allowed by builtin/resolver"},
		{[]string{"11.1.2.3:53", "--resolver", "11.1.2.3"}, 1, "dns: {tcp: allow}"},
		{[]string{"[fd00::1]:80"}, 0, "[fd00::1]:80/tcp: allowed by v6"},
		{[]string{"fd00::1"}, 0, "[fd00::1]:443/tcp: allowed by v6"},
	} {
		out, code := command(t, "", append([]string{"policy", "explain", "--policy", file, "network.request"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%v: exit %d, want %d with %q:\n%s", tt.args, code, tt.code, tt.want, out)
		}
	}
}

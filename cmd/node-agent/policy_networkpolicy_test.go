package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPolicyNetworkPolicy(t *testing.T) {
	src := "version: 1\nrules:\n  - {id: db, action: network.request, cidr: 10.0.0.0/8, port: 5432, decision: allow}\n"
	args := []string{"policy", "networkpolicy", "-", "--name", "n", "--selector", "app=a,tier=b"}
	out, code := command(t, src, args...)
	for _, want := range []string{"kind: NetworkPolicy", `cidr: "10.0.0.0/8"`, "port: 5432", `"tier": "b"`, "# db"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %s in:\n%s", code, want, out)
		}
	}
	out, code = command(t, src, append(args, "-o", "json")...)
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got["apiVersion"] != "networking.k8s.io/v1" {
		t.Errorf("exit %d, %v:\n%s", code, err, out)
	}
	floor := write(t, "version: 1\nrules: [{action: network.request, decision: deny}]\n")
	if out, code := command(t, src, append(args, "--floor", floor)...); code != 0 || !strings.Contains(out, "egress: [] ") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	for _, bad := range [][]string{
		{"policy", "networkpolicy", "-", "--name", "n"}, {"policy", "networkpolicy", "-", "--selector", "a=b"},
		{"policy", "networkpolicy", "-", "--name", "n", "--selector", "a"},
		{"policy", "networkpolicy", "-", "--name", "N x", "--selector", "a=b"},
		{"policy", "networkpolicy", "-", "--name", "n\nkind: x", "--selector", "a=b"},
		{"policy", "networkpolicy", "-", "--name", "n", "--namespace", "-", "--selector", "a=b"},
		{"policy", "networkpolicy", "-", "--name", "n", "--selector", "a=b=c"},
	} {
		if _, code := command(t, src, bad...); code != exitUsage {
			t.Errorf("%v: exit %d", bad, code)
		}
	}
	if _, code := command(t, "version: 1\nmode: observe\n", args...); code != exitUsage {
		t.Errorf("observe: exit %d", code)
	}
}

package policy

import (
	"net/netip"
	"testing"
)

func TestAsk(t *testing.T) {
	tab := mustCompile(t, `version: 1
rules:
  - {id: build, action: process.exec, command: {startsWith: go build}, decision: allow}
  - {id: push, action: process.exec, command: {contains: --force}, decision: deny}
  - {id: git, action: process.exec, path: /usr/bin/git, decision: allow}
  - {id: work, action: file.write, path: /job/**, exe: /usr/bin/git, decision: allow}
  - {id: ssh, action: network.request, host: {endsWith: .example.com}, port: 22, decision: deny}
  - {id: api, action: network.request, host: {endsWith: .example.com}, decision: allow}
  - {id: lan, action: network.request, cidr: 10.0.0.0/8, port: 5432, decision: allow}
`, Options{})
	cases := []struct {
		q     Query
		rule  string
		allow bool
	}{
		{Query{Action: ActionExec, Path: "/usr/bin/go", Args: []string{"build", "./..."}}, "build", true},
		{Query{Action: ActionExec, Path: "/usr/bin/go", Args: []string{"run", "."}}, "default", false},
		{Query{Action: ActionExec, Path: "/job/bin/go", Args: []string{"build"}}, "default", false},
		{Query{Action: ActionExec, Path: "/usr/bin/git", Args: []string{"push", "--force"}}, "push", false},
		{Query{Action: ActionExec, Path: "/usr/bin/git", Args: []string{"push"}}, "git", true},
		{Query{Action: ActionExec, NoPath: true}, "default", false},
		{Query{Action: ActionWrite, Path: "/job/x", Exe: "/usr/bin/git"}, "work", true},
		{Query{Action: ActionWrite, Path: "/job/x", Exe: "/usr/bin/vi"}, "default", false},
		{Query{Action: ActionWrite, Path: "/job/x"}, "default", false},
		{Query{Action: ActionNetwork, Host: "a.example.com"}, "api", true},
		{Query{Action: ActionNetwork, Host: "a.example.com", Port: 22}, "ssh", false},
		{Query{Action: ActionNetwork, Host: "example.com"}, "default", false},
		{Query{Action: ActionNetwork, Host: "a.example.com", Addr: netip.MustParseAddr("169.254.169.254"), Port: 80}, "builtin/metadata", false},
		{Query{Action: ActionNetwork, Addr: netip.MustParseAddr("10.1.2.3"), Port: 5432}, "lan", true},
		{Query{Action: ActionNetwork, Addr: netip.MustParseAddr("10.1.2.3"), Port: 22}, "default", false},
	}
	for _, c := range cases {
		a := tab.Ask(c.q)
		if got := tab.Rules[a.Rule].Name; got != c.rule || a.Allow != c.allow {
			t.Errorf("%+v: %s allow %v, want %s %v", c.q, got, a.Allow, c.rule, c.allow)
		}
	}
}

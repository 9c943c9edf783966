package policy

import (
	"net/netip"
	"testing"
)

func TestHosts(t *testing.T) {
	runChecks(t, `version: 1
rules:
  - {id: in, action: network.request, host: {in: [API.openai.com, 10.1.2.3, b.example.]}, decision: allow}
  - {id: below, action: network.request, host: {endsWith: .x.example}, decision: allow}
  - {id: with, action: network.request, host: {endsWith: y.example}, decision: allow}
  - {id: label, action: network.request, host: "*.z.example", decision: allow}
  - {id: port-deny, action: network.request, host: q.example, port: 25, decision: deny}
  - {id: port-allow, action: network.request, host: q.example, port: 443, decision: allow}
  - {id: cidr-only, action: network.request, cidr: 192.0.2.0/24, decision: allow}
`, Options{}, []check{
		{KindHost, HostSubject("api.openai.com"), "in", true},
		{KindHost, HostSubject("api.OPENAI.com."), "in", true},
		{KindHost, HostSubject("b.example"), "in", true},
		{KindHost, HostSubject("xapi.openai.com"), "default", false},
		{KindHost, HostSubject("api.openai.com.evil.example"), "default", false},
		{KindHost, HostSubject("10.1.2.3"), "default", false},
		{KindHost, HostSubject("a.x.example"), "below", true},
		{KindHost, HostSubject("a.b.x.example"), "below", true},
		{KindHost, HostSubject("x.example"), "default", false},
		{KindHost, HostSubject("evilx.example"), "default", false},
		{KindHost, HostSubject("y.example"), "with", true},
		{KindHost, HostSubject("a.y.example"), "with", true},
		{KindHost, HostSubject("evily.example"), "default", false},
		{KindHost, HostSubject("a.z.example"), "label", true},
		{KindHost, HostSubject("z.example"), "default", false},
		{KindHost, HostSubject("a.b.z.example"), "default", false},
		{KindHost, HostSubject("q.example"), "port-allow", true},
		{KindAddr, addr("10.1.2.3", 6, 1), "in", true},
		{KindAddr, addr("10.1.2.4", 6, 1), "default", false},
		{KindAddr, addr("192.0.2.7", 17, 53), "cidr-only", true},
		{KindAddr, addr("192.0.3.7", 17, 53), "default", false},
	})
}

func TestPortsAndProtocols(t *testing.T) {
	runChecks(t, `version: 1
rules:
  - {id: smtp, action: network.request, port: 25, decision: deny}
  - {id: range, action: network.request, cidr: 10.0.0.0/8, port: "200-1300", protocol: tcp, decision: allow}
  - {id: list, action: network.request, cidr: ["2001:db8::/32", 11.0.0.0/9], port: [53, "8000-8001"], protocol: [udp, tcp], decision: allow}
  - {id: none, action: network.request, port: [], decision: allow}
`, Options{}, []check{
		{KindAddr, addr("10.0.0.1", 6, 25), "smtp", false},
		{KindAddr, addr("10.0.0.1", 6, 199), "default", false},
		{KindAddr, addr("10.0.0.1", 6, 200), "range", true},
		{KindAddr, addr("10.255.0.1", 6, 512), "range", true},
		{KindAddr, addr("10.0.0.1", 6, 1300), "range", true},
		{KindAddr, addr("10.0.0.1", 6, 1301), "default", false},
		{KindAddr, addr("10.0.0.1", 17, 443), "default", false},
		{KindAddr, addr("2001:db8:1::1", 17, 53), "list", true},
		{KindAddr, addr("11.127.0.1", 6, 8001), "list", true},
		{KindAddr, addr("11.128.0.1", 6, 8001), "default", false},
		{KindAddr, addr("11.127.0.1", 6, 8002), "default", false},
	})
}

func TestLoopback(t *testing.T) {
	onNode := func(s string) []byte { return AddrSubject(true, netip.MustParseAddr(s), 6, 80) }
	runChecks(t, `version: 1
rules:
  - {id: general, action: network.request, decision: deny}
  - {id: own, action: network.request, cidr: 127.0.0.9/32, decision: deny}
`, Options{}, []check{
		{KindAddr, addr("127.0.0.1", 6, 80), "builtin/loopback", true},
		{KindAddr, addr("127.200.0.1", 6, 80), "builtin/loopback", true},
		{KindAddr, addr("::ffff:127.0.0.1", 6, 80), "builtin/loopback", true},
		{KindAddr, addr("::1", 6, 80), "builtin/loopback", true},
		{KindAddr, addr("0.0.0.0", 6, 80), "builtin/loopback", true},
		{KindAddr, addr("::", 6, 80), "builtin/loopback", true},
		{KindAddr, addr("127.0.0.9", 6, 80), "own", false},
		{KindAddr, addr("128.0.0.1", 6, 80), "general", false},
		{KindAddr, onNode("127.0.0.1"), "general", false},
		{KindAddr, onNode("::1"), "general", false},
	})
	// The unspecified address is no way round a rule about loopback.
	runChecks(t, "version: 1\ndefaultAction: allow\nrules: [{id: r, action: network.request, cidr: [127.0.0.0/8, '::1'], decision: deny}]\n", Options{}, []check{
		{KindAddr, onNode("0.0.0.0"), "r", false},
		{KindAddr, onNode("::"), "r", false},
		{KindAddr, onNode("0.0.0.1"), "default", true},
	})
	runChecks(t, "version: 1\nrules: [{id: r, action: network.request, host: {in: [0.0.0.0]}, cidr: 127.0.0.0/8, decision: deny}]\n", Options{}, []check{
		{KindAddr, onNode("0.0.0.0"), "r", false},
	})
}

func TestMetadataNeedsARuleThatNamesIt(t *testing.T) {
	for _, tt := range []struct {
		rule string
		rest string
		want string
	}{
		{"cidr: 0.0.0.0/0, decision: allow", "deny", "builtin/metadata"},
		{"cidr: 169.254.0.0/16, decision: allow", "deny", "builtin/metadata"},
		{"cidr: 169.254.169.252/29, decision: allow", "deny", ""},
		{"cidr: 169.254.169.248/29, decision: allow", "deny", "builtin/metadata"},
		{"cidr: 169.254.169.252/30, decision: allow", "deny", "rules[0]"},
		{"cidr: 169.254.169.254, decision: allow", "deny", "rules[0]"},
		{"host: {in: [169.254.169.254]}, decision: allow", "deny", "rules[0]"},
		{"host: 169.254.169.254, decision: audit", "deny", "rules[0]"},
		{"port: 80, decision: allow", "deny", "builtin/metadata"},
		{"decision: allow", "deny", "builtin/metadata"},
		{"cidr: 10.0.0.0/8, decision: allow", "allow", "builtin/metadata"},
		{"cidr: 169.0.0.0/8, decision: deny", "allow", "rules[0]"},
	} {
		src := "version: 1\nbaseline: none\ndefaultAction: " + tt.rest + "\nrules: [{action: network.request, " + tt.rule + "}]\n"
		if tt.want == "" {
			if _, err := Parse("p", []byte(src)); err == nil {
				t.Errorf("%s: accepted", tt.rule)
			}
			continue
		}
		allow := tt.want == "rules[0]" && tt.rule[len(tt.rule)-4:] != "deny"
		runChecks(t, src, Options{}, []check{{KindAddr, addr("169.254.169.254", 6, 80), tt.want, allow}})
	}
	for _, a := range []string{"fd00:ec2::254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192", "168.63.129.16"} {
		runChecks(t, "version: 1\nbaseline: none\ndefaultAction: allow\n", Options{}, []check{{KindAddr, addr(a, 6, 80), "builtin/metadata", false}})
	}
	runChecks(t, "version: 1\nrules: [{action: network.request, cidr: 'fd00:ec2::254/127', decision: allow}]\n", Options{}, []check{
		{KindAddr, addr("fd00:ec2::254", 6, 80), "rules[0]", true},
	})
}

func TestIPv6RangeIsNoIPv4Range(t *testing.T) {
	runChecks(t, "version: 1\nrules: [{action: network.request, cidr: '::/0', decision: allow}]\n", Options{}, []check{
		{KindAddr, addr("2001:db8::1", 6, 80), "rules[0]", true},
		{KindAddr, addr("8.8.8.8", 6, 80), "default", false},
	})
}

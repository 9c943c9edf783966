package casefile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

const source = `version: 1
rules:
  - {id: data, action: file.read, path: /data/**, decision: allow}
  - {id: log, action: file.write, path: /log, decision: audit}
  - {id: git, action: process.exec, command: {startsWith: git push}, decision: deny, reason: no pushing}
  - {id: tools, action: process.exec, path: /usr/bin/git, decision: allow}
  - {id: make, action: file.read, path: /src, exe: /usr/bin/make, decision: allow}
  - {id: model, action: network.request, host: api.x, port: 443, decision: allow}
  - {id: db, action: network.request, cidr: 10.0.0.0/8, protocol: udp, decision: allow}
`

// cases are lines "CASE -> got by rule, passed".
func TestRun(t *testing.T) {
	p, err := policy.Parse("p", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	tables, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ in, want string }{
		{"action: file.read, path: /data/x, expect: allow, rule: data", "allow by data: true"},
		{"action: file.read, path: /data/x, expect: deny", "allow by data: false"},
		{"action: file.read, path: /data/x, expect: allow, rule: log", "allow by data: false"},
		{"action: file.read, path: /data/x, expect: audit", "allow by data: false"},
		{"action: file.write, path: /log, expect: audit", "audit by log: true"},
		{"action: file.write, path: /log, expect: allow", "audit by log: true"},
		{"action: file.read, path: /usr/lib/x, expect: allow, rule: baseline/image-files", "allow by baseline/image-files: true"},
		{"action: file.read, path: /vol/x, mounted: true, expect: deny, rule: default", "deny by default: true"},
		{"action: process.exec, command: git push --force, expect: deny, rule: git", "deny by git: true"},
		{"action: process.exec, command: [git, pull], expect: allow, rule: tools", "allow by tools: true"},
		{"action: process.exec, path: /usr/bin/git, args: [push, 'a b'], expect: deny", "deny by git: true"},
		{"action: process.exec, path: /usr/bin/git, args: pull, expect: allow", "allow by tools: true"},
		{"action: process.exec, noPath: true, expect: deny", "deny by default: true"},
		{"action: file.read, path: /src, mounted: true, exe: /usr/bin/make, expect: allow, rule: make", "allow by make: true"},
		{"action: file.read, path: /src, mounted: true, exe: /bin/x, expect: deny", "deny by default: true"},
		{"action: network.request, host: api.x, expect: allow, rule: model", "allow by model: true"},
		{"action: network.request, host: api.x, port: 80, expect: deny", "deny by default: true"},
		{"action: network.request, host: api.y, expect: deny", "deny by default: true"},
		{"action: network.request, addr: 10.0.0.1, protocol: udp, expect: allow, rule: db", "allow by db: true"},
		{"action: network.request, addr: 10.0.0.1, expect: deny", "deny by default: true"},
		{"action: network.request, addr: 127.0.0.1, expect: allow", "allow by builtin/loopback: true"},
		{"action: network.request, addr: 127.0.0.1, hostNetwork: true, expect: deny", "deny by default: true"},
	} {
		f, err := Parse("c", []byte("policy: p\ncases:\n  - {"+tt.in+"}\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		r := f.Run(tables)[0]
		if got := fmt.Sprintf("%s by %s: %v", r.Got, r.By, r.Passed); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.in, got, tt.want)
		}
		if r.Line != 3 || r.Name == "" || r.By == "git" && r.Reason != "no pushing" {
			t.Errorf("%+v", r)
		}
	}
}

func TestParse(t *testing.T) {
	f, err := Parse("c", []byte("policy: p.yaml\nfloor: f.yaml\nbaseline: runtime\ncases:\n"+
		"  - {action: file.*, path: /x, expect: deny}\n  - {name: n, action: process.exec, command: git a, args: [b c], exe: /bin/sh, expect: deny}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range f.Cases {
		names = append(names, c.Name)
	}
	if d := cmp.Diff([]string{"file.read /x", "file.write /x", "file.delete /x", "n"}, names); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	last := f.Cases[3].Query
	if f.Policy != "p.yaml" || f.Floor != "f.yaml" || f.Baseline != "runtime" || last.Path != "/usr/bin/git" || !cmp.Equal(last.Args, []string{"a", "b c"}) || last.Exe != "/bin/sh" {
		t.Errorf("%+v", f)
	}
}

// TestQuotes: what the command line of a shell would keep together is one argument.
func TestQuotes(t *testing.T) {
	f, err := Parse("c", []byte("policy: p\ncases:\n  - {action: process.exec, command: sh -c 'rm \"x y\"' z, args: \"'a b' c\", expect: deny}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"-c", `rm "x y"`, "z", "a b", "c"}, f.Cases[0].Query.Args); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestErrors(t *testing.T) {
	const head = "policy: p\ncases:\n  - "
	for _, tt := range []struct{ src, want string }{
		{"cases: [{action: file.read, path: /x, expect: deny}]\n", "c:1:1: policy is missing"},
		{"policy: p\n", "c:1:1: cases is missing"},
		{"policy: p\ncases: []\n", "c:1:1: there is no case"},
		{"policy: p\ncases: {}\n", "c:2:8: cases must be a list"},
		{"policy: p\npolciy: q\ncases: []\n", `c:2:1: unknown field "polciy" in the case file; did you mean "policy"?`},
		{"policy: 7\ncases: []\n", "c:1:9: policy must be a text"},
		{"policy: p\nbaseline: none\ncases: []\n", `c:2:11: unknown baseline "none"`},
		{head + "[]\n", "a case must be a map"},
		{head + "{action: file.raed, path: /x, expect: deny}\n", `c:3:14: unknown action "file.raed"; did you mean "file.read"?`},
		{head + "{action: file.map, path: /x, expect: deny}\n", "unknown action"},
		{head + "{action: [], path: /x, expect: deny}\n", "an empty list"},
		{head + "{action: file.read, path: x, expect: deny}\n", "is not absolute"},
		{head + "{action: file.read, path: /x/, expect: deny}\n", `c:3:31: "/x/" is no resolved path`},
		{head + "{action: file.read, path: /x/../y, expect: deny}\n", "is no resolved path"},
		{head + "{action: file.read, path: //x, expect: deny}\n", "is no resolved path"},
		{head + "{action: file.read, path: \"/x\\0\", expect: deny}\n", "is no resolved path"},
		{head + "{action: file.read, path: /x, exe: /bin/, expect: deny}\n", "is no resolved path"},
		{head + "{action: process.exec, command: /bin//sh -c x, expect: deny}\n", "is no resolved path"},
		{head + "{action: process.exec, command: sh -c 'x, expect: deny}\n", "without its end"},
		{head + "{action: network.request, host: 1.2.3.4, expect: deny}\n", "is an address; host takes a name"},
		{head + "{action: network.request, host: '127.1', expect: deny}\n", "it ends in a number"},
		{head + "{action: network.request, host: 'http://a.x/', expect: deny}\n", "a URL"},
		{head + "{action: network.request, host: a.x:443, expect: deny}\n", "a host has no port"},
		{head + "{action: network.request, host: bücher.x, expect: deny}\n", "xn--"},
		{head + "{action: file.read, path: /x}\n", "without expect"},
		{head + "{path: /x, expect: deny}\n", "without action"},
		{head + "{action: file.read, expect: deny}\n", "has one of path, command and noPath"},
		{head + "{action: process.exec, path: /x, command: x, expect: deny}\n", "has one of path, command and noPath"},
		{head + "{action: file.read, path: /x, host: x, expect: deny}\n", "c:3:35: host says nothing"},
		{head + "{action: file.read, path: /x, args: [x], expect: deny}\n", "args says nothing"},
		{head + "{action: network.request, path: /x, expect: deny}\n", "path says nothing"},
		{head + "{action: network.request, port: 1, expect: deny}\n", "without host and addr"},
		{head + "{action: network.request, addr: a.x, expect: deny}\n", "is no address"},
		{head + "{action: network.request, addr: 1.1.1.1, port: 0, expect: deny}\n", "is no port"},
		{head + "{action: network.request, addr: 1.1.1.1, protocol: icmp, expect: deny}\n", "unknown protocol"},
		{head + "{action: file.read, path: /x, expect: dney}\n", `did you mean "deny"?`},
		{head + "{action: file.read, path: /x, mounted: 1, expect: deny}\n", "true or false"},
		{head + "{action: process.exec, command: bin/x, expect: deny}\n", "neither a name nor an absolute path"},
		{head + "{action: process.exec, command: [x, 1], expect: deny}\n", "a list of texts"},
		{head + "{action: file.read, path: /x, expect: deny, rule: 7}\n", "rule must be a text"},
		{"policy: &a p\ncases: []\n", "anchors"},
	} {
		_, err := Parse("c", []byte(tt.src))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.src, err, tt.want)
		}
	}
}

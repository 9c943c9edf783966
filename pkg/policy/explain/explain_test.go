package explain_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/explain"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

func question(t *testing.T, src string, o policy.Options) explain.Question {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(src))
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	tables, err := policy.Compile(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return explain.Question{Policy: p, Tables: tables, Options: o}
}

// A proposed rule, put where it is said to belong, turns the verdict around
// and no other verdict near it.
func TestFixesWork(t *testing.T) {
	fixed, none, policies := 0, 0, uint64(80)
	if testing.Short() {
		policies = 20
	}
	for i := range policies {
		g := policygen.New(31, i)
		src := g.Policy()
		q := question(t, src, policy.Options{})
		for range 8 {
			k := policy.Kind(g.IntN(int(policy.KindAddr) + 1))
			a := product.Action{Kind: k, Subject: g.Subject(policygen.Kind(k))}
			if k == policy.KindAddr && len(a.Subject) != 20 || !product.WellFormed(k, a.Subject) {
				continue
			}
			a.Facts = policy.Facts(g.Facts(policygen.Kind(k), a.Subject))
			e, err := q.Explain(a)
			if err != nil {
				continue // a subject that no rule can spell, such as a host with odd bytes
			}
			if e.Fix == nil {
				none++
				if e.NoFix == "" {
					t.Errorf("%s %s: neither a rule nor a reason", a.Verb(), a)
				}
				continue
			}
			fixed++
			if again := product.Ask(apply(t, q, e.Fix), a); again.Allow == e.Verdict.Allow {
				t.Errorf("%s %s stays %v with\n%s\nin\n%s", a.Verb(), a, again.Allow, e.Fix.YAML, src)
			}
		}
	}
	t.Logf("%d fixed, %d without a rule", fixed, none)
	if fixed < 100 || none > fixed {
		t.Errorf("%d fixed, %d without a rule", fixed, none)
	}
}

// apply does what a reader of the proposal does: he pastes the rule.
func apply(t *testing.T, q explain.Question, f *explain.Fix) *policy.Tables {
	t.Helper()
	one, err := policy.Parse("fix", []byte("version: 1\nrules:\n"+f.YAML))
	if err != nil {
		t.Fatalf("%v\n%s", err, f.YAML)
	}
	p := *q.Policy
	p.Rules = nil
	for _, r := range q.Policy.Rules {
		if f.Before != "" && r.Name() == f.Before {
			p.Rules = append(p.Rules, one.Rules[0])
		}
		p.Rules = append(p.Rules, r)
	}
	if f.Before == "" {
		p.Rules = append(p.Rules, one.Rules[0])
	}
	tables, err := policy.Compile(&p, q.Options)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func TestNearMisses(t *testing.T) {
	addr := policy.AddrSubject(false, netip.MustParseAddr("10.0.0.1"), 6, 80)
	for _, tt := range []struct {
		rule    string
		kind    policy.Kind
		subject []byte
		near    string
		miss    string // field and what it wants
	}{
		{"action: file.read, path: '/data/*'", policy.KindRead, policy.PathSubject(false, "/data"), "what lies in this directory", "path glob /data/*"},
		{"action: file.read, path: /data", policy.KindRead, policy.PathSubject(false, "/data/x"), "the directory itself", "path glob /data"},
		{"action: file.read, path: /Data/**", policy.KindRead, policy.PathSubject(false, "/data/x"), "upper and lower case", "path glob /Data/**"},
		{"action: process.exec, path: /usr/bin/python3", policy.KindExec, policy.PathSubject(false, "/usr/bin/python3.11"), "is a link to /usr/bin/python3.11", "path glob /usr/bin/python3"},
		{"action: file.read, path: {startsWith: /a, endsWith: .b}", policy.KindRead, policy.PathSubject(false, "/a/x"), "", "path endsWith .b"},
		{"action: network.request, host: {endsWith: .x.example}", policy.KindHost, policy.HostSubject("x.example"), "names below this one", "host endsWith .x.example"},
		{"action: network.request, host: x.example", policy.KindHost, policy.HostSubject("a.x.example"), "not the names below it", "host glob x.example"},
		{"action: network.request, cidr: 10.0.0.0/8, port: 443", policy.KindAddr, addr, "", "port 443"},
		{"action: network.request, host: x.example", policy.KindAddr, addr, "bound to one of them", "host glob x.example"},
	} {
		q := question(t, "version: 1\nbaseline: none\nrules:\n  - {"+tt.rule+", decision: allow}\n", policy.Options{})
		e, err := q.Explain(product.Action{Kind: tt.kind, Subject: tt.subject})
		if err != nil {
			t.Fatal(err)
		}
		p := e.Passed[0]
		if e.Verdict.Allow || !strings.Contains(p.Near, tt.near) || (tt.near == "") != (p.Near == "") ||
			len(p.Misses) != 1 || p.Misses[0].Field+" "+p.Misses[0].Wants != tt.miss {
			t.Errorf("%s: %+v", tt.rule, p)
		}
	}
}

func TestFloorCannotBeFixed(t *testing.T) {
	floor, err := policy.ParseFloor("floor.yaml", []byte("version: 1\nrules:\n  - {action: file.read, path: /x, decision: deny}\n"))
	if err != nil {
		t.Fatal(err)
	}
	q := question(t, "version: 1\n", policy.Options{Floor: floor})
	e, err := q.Explain(product.Action{Kind: policy.KindRead, Subject: policy.PathSubject(false, "/x")})
	if err != nil || e.Fix != nil || !strings.Contains(e.NoFix, "floor") {
		t.Errorf("%v %+v", err, e)
	}
}

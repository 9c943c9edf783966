package policy

import (
	"errors"
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
)

// FuzzParse looks for a panic, and for an error without a place.
func FuzzParse(f *testing.F) {
	f.Add(referenceSource(f))
	f.Add(manyRules(20))
	for _, s := range []string{
		"version: 1\n", "", "- - - x", "a: &a [*a]", "version: 1\n---\n", "{[", "\"\x00", "kind: ConfigMap\ndata:\n  safeclaw.policy.yaml: |+3\n     x: y\n",
		rule("action: file.read, path: '/{a,[b-c]}/**', decision: allow"), rule("action: network.request, host: {in: ['::1', a.b.]}, decision: audit"),
	} {
		f.Add([]byte(s))
	}
	for _, s := range []string{
		"version: 1\nbuiltin: {ptrace: allow, bpf: allow}\ndns: {types: [TXT, 99, null], tcp: allow, maxLabel: 63, rate: 9}\nconnections: cut\nonAgentLoss: deny\n",
		rule("action: process.exec, exe: /bin/sh, command: {glob: ['go {build,test} **', '/a/** x\\ y'], contains: -c x}, decision: audit"),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if floor, err := ParseFloor("fuzz.yaml", src); err == nil {
			for i := range floor.Rules {
				if floor.Rules[i].Decision == DecisionAllow {
					t.Error("a floor that allows")
				}
			}
		}
		p, err := Parse("fuzz.yaml", src)
		if err == nil {
			if p == nil {
				t.Fatal("no policy and no error")
			}
			return
		}
		var list ErrorList
		if !errors.As(err, &list) || len(list) == 0 {
			t.Fatalf("not an ErrorList: %v", err)
		}
		for _, e := range list {
			if e.Line < 1 || e.Col < 1 || e.Msg == "" || e.File != "fuzz.yaml" {
				t.Errorf("%+v", e)
			}
		}
	})
}

// FuzzEquality compares tables and rules on policies that the fuzzer writes.
func FuzzEquality(f *testing.F) {
	f.Add(string(referenceSource(f)), uint8(0), []byte("/app/data/x"), uint64(1))
	f.Add("version: 1\nrules: [{action: file.*, path: '{a,*b*}', decision: deny}]", uint8(1), []byte("/x/ab"), uint64(2))
	for i := range uint64(20) {
		g := policygen.New(7, i)
		f.Add(g.Policy(), uint8(i%uint64(KindExe)), g.Subject(policygen.Kind(i % policygen.Kinds))[1:], i)
	}
	f.Fuzz(func(t *testing.T, src string, kind uint8, text []byte, seed uint64) {
		p, err := Parse("fuzz.yaml", []byte(src))
		if err != nil || len(p.Rules) > 50 {
			return
		}
		tables, err := Compile(p, Options{DefaultBaseline: "none"})
		var tooLarge *SizeError
		if errors.As(err, &tooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		checkBlob(t, tables)
		rules, err := newEvaluator(p, Options{DefaultBaseline: "none"})
		if err != nil {
			t.Fatal(err)
		}
		g := policygen.New(seed, 0)
		k := Kind(kind % uint8(KindExe))
		for i := range 20 {
			subject := append([]byte{byte(1 + i%3)}, text...)
			if i > 5 || k == KindAddr {
				subject = g.Subject(policygen.Kind(k))
			}
			if k != KindAddr && containsZero(subject) {
				continue
			}
			facts := Facts(g.Facts(policygen.Kind(k), subject))
			got, want := tables.MatchIn(k, subject, classes(tables, facts)), rules.evaluate(k, subject, facts)
			if got != want {
				t.Fatalf("%s %q with %s: tables say %+v, rules say %+v\n%s", k, subject, facts.text(), got, want, src)
			}
		}
	})
}

func containsZero(b []byte) bool {
	for _, c := range b {
		if c == 0 {
			return true
		}
	}
	return false
}

package diff_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/diff"
)

func side(t *testing.T, fields string) diff.Side {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte("version: 1\nbaseline: none\n"+fields))
	if err != nil {
		t.Fatal(err)
	}
	tables, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return diff.Side{Policy: p, Tables: tables}
}

func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		older, newer string
		want         []diff.Setting
	}{
		{"", "mode: enforce\nentrypoint: chain\n", nil},
		{"", "mode: observe\n", []diff.Setting{{"mode", "enforce", "observe", diff.Wider}}},
		{"entrypoint: deny\n", "entrypoint: single\n", []diff.Setting{{"entrypoint", "deny", "single", diff.Wider}}},
		{"", "onAgentLoss: deny\nonAuditLoss: deny\n", []diff.Setting{
			{"onAuditLoss", "continue", "deny", diff.Narrower}, {"onAgentLoss", "keep", "deny", diff.Narrower},
		}},
		{"", "connections: cut\n", []diff.Setting{{"connections", "keep", "cut", diff.Narrower}}},
		{"builtin: {ptrace: allow}\n", "", []diff.Setting{{"builtin (relaxed)", "ptrace", "none", diff.Narrower}}},
		{"", "dns: {tcp: allow, rate: 5}\n", []diff.Setting{{"dns.tcp", "deny", "allow", diff.Wider}, {"dns.rate", "none", "5", diff.Narrower}}},
		{"dns: {rate: 5}\n", "dns: {rate: 6}\n", []diff.Setting{{"dns.rate", "5", "6", diff.Wider}}},
		{"", "audit: {file.read: {allow: each}}\n", []diff.Setting{{"audit (counted allows)", "file.read", "none", diff.Neither}}},
	} {
		r := diff.Compare(side(t, tt.older), side(t, tt.newer))
		if d := cmp.Diff(tt.want, r.Settings); d != "" || len(r.Changes) > 0 {
			t.Errorf("%s to %s: %s%v", tt.older, tt.newer, d, r.Changes)
		}
	}
}

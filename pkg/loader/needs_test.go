package loader

import (
	"errors"
	"slices"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func TestRefusesWhatIsNotEnforced(t *testing.T) {
	cases := map[string][]string{
		"version: 1\nbuiltin: {ptrace: allow, block_devices: allow}\n": nil,
		"version: 1\n": nil,
		"version: 1\nbuiltin: {ptrace: allow}\ndns: {tcp: allow}\nconnections: cut\n":                           nil,
		"version: 1\nrules: [{action: file.read, exe: /usr/bin/x, decision: allow}]\n":                          nil,
		"version: 1\nrules: [{action: process.exec, command: {startsWith: go}, decision: allow}]\n":             nil,
		"version: 1\ndns: {tcp: allow}\nrules: [{action: file.read, exe: /usr/bin/x, decision: allow}]\n":       nil,
		"version: 1\nrules: [{action: network.request, host: {in: [a.example]}, port: 443, decision: allow}]\n": nil,
	}
	for src, want := range cases {
		p, err := policy.Parse("policy.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		tab, err := policy.Compile(p, policy.Options{AllowedRelaxations: policy.BuiltinNames()})
		if err != nil {
			t.Fatal(err)
		}
		var refused *NotEnforcedError
		switch err := Enforceable(tab); {
		case want == nil && err != nil:
			t.Errorf("%s: %v", src, err)
		case want != nil && (!errors.As(err, &refused) || !slices.Equal(refused.Needs, want)):
			t.Errorf("%s: got %v, want %v", src, err, want)
		}
	}
}

// TestRelaxationsEnforced: whatever a policy can relax, the programs deny.
func TestRelaxationsEnforced(t *testing.T) {
	have, want := slices.Sorted(slices.Values(relaxed)), slices.Sorted(slices.Values(policy.BuiltinNames()))
	if !slices.Equal(have, want) {
		t.Errorf("the programs know %q, policies relax %q", have, want)
	}
}

package k8s

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func TestJoinLogs(t *testing.T) {
	got := joinLogs([]LogState{{Log: "a", Size: 1}, {Log: "b", Size: 5}}, []LogState{{Log: "b", Size: 7}, {Log: "c", Size: 1}})
	if d := cmp.Diff([]LogState{{Log: "a", Size: 1}, {Log: "b", Size: 7}, {Log: "c", Size: 1}}, got); d != "" {
		t.Error(d)
	}
}

func TestCount(t *testing.T) {
	a, b := &policy.Tables{Hash: [32]byte{1}}, &policy.Tables{Hash: [32]byte{2}}
	ref := Ref{"team", "p"}
	src := &Source{Ref: ref}
	d := &Desired{Pods: []PodPolicy{
		{},
		{Pending: true},
		{Gate: &Gate{Enforced: Enforced{Policy: ref, Tables: a, Source: src}, Containers: map[string]Enforced{"x": {Policy: ref, Tables: a, Source: src}, "y": {Exempt: true}}}},
		{Gate: &Gate{Enforced: Enforced{Policy: ref, Tables: a, Source: src, Degraded: "d"}, Containers: map[string]Enforced{"x": {Policy: Ref{"team", "q"}, Tables: b, Source: src}}}},
		{Gate: &Gate{Enforced: Enforced{Policy: ref, Tables: b, Denied: "d", Pending: true}}},
	}}
	n, list := d.Count()
	if diff := cmp.Diff(PodCounts{Gated: 3, Denied: 1, Degraded: 1, Pending: 2}, n); diff != "" {
		t.Error(diff)
	}
	want := []InForce{
		{Policy: "team/p", Source: src.Hash.String(), Table: Hash(a.Hash).String(), Pods: 2},
		{Policy: "team/q", Source: src.Hash.String(), Table: Hash(b.Hash).String(), Pods: 1},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Error(diff)
	}
}

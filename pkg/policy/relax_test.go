package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestAllowedRelaxations: what the operator does not let policies relax is an
// error where it stands, and the floor's cap comes before.
func TestAllowedRelaxations(t *testing.T) {
	floor, err := ParseFloor("floor.yaml", []byte("version: 1\nbuiltin: {ptrace: allow}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		src     string
		allowed []string
		floor   *Policy
		want    []string // places of errors
		relaxed []string // with none
	}{
		"the default":              {"builtin: {ptrace: allow, io_uring: allow}\n", nil, nil, nil, []string{"builtin: io_uring", "builtin: ptrace"}},
		"beyond the default":       {"builtin: {ptrace: allow, mount: allow}\n", nil, nil, []string{"p.yaml:2:33 mount"}, nil},
		"two, in the text's order": {"builtin:\n  userns: allow\n  chroot: allow\n", nil, nil, []string{"p.yaml:3:11 userns", "p.yaml:4:11 chroot"}, nil},
		"allowed":                  {"builtin: {mount: allow}\n", []string{"mount"}, nil, nil, []string{"builtin: mount"}},
		"instead of the default":   {"builtin: {ptrace: allow}\n", []string{"mount"}, nil, []string{"p.yaml:2:19 ptrace"}, nil},
		"none":                     {"builtin: {ptrace: allow}\n", []string{}, nil, []string{"p.yaml:2:19 ptrace"}, nil},
		"capped by the floor":      {"builtin: {ptrace: allow, mount: allow}\n", nil, floor, nil, []string{"builtin: ptrace"}},
	} {
		p, err := Parse("p.yaml", []byte("version: 1\n"+tt.src))
		if err != nil {
			t.Fatal(err)
		}
		tables, err := Compile(p, Options{AllowedRelaxations: tt.allowed, Floor: tt.floor})
		var list ErrorList
		if err != nil && !errors.As(err, &list) {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, e := range list {
			place, _, _ := strings.Cut(e.Error(), ": ")
			got = append(got, place+" "+e.Word)
			if !strings.Contains(e.Error(), "--allow-relaxation "+e.Word) {
				t.Errorf("%s: %v does not say what to do", name, e)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: errors %q, want %q", name, got, tt.want)
		}
		if err == nil && !slices.Equal(tables.Needs, tt.relaxed) {
			t.Errorf("%s: needs %q, want %q", name, tables.Needs, tt.relaxed)
		}
	}
}

// TestCheckRelaxations: an operator can allow what a policy can relax.
func TestCheckRelaxations(t *testing.T) {
	if err := CheckRelaxations(BuiltinNames()); err != nil {
		t.Error(err)
	}
	for _, name := range DefaultRelaxations() {
		if !slices.Contains(BuiltinNames(), name) {
			t.Errorf("%s cannot be relaxed, by default", name)
		}
	}
	for name, want := range map[string]string{"bpffs": "can never be relaxed", "ptrase": `did you mean "ptrace"?`, "x": "known here: mount,"} {
		if err := CheckRelaxations([]string{"mount", name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

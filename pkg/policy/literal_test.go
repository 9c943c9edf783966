package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLiterals(t *testing.T) {
	for _, tt := range []struct {
		matcher string
		want    []Literal
	}{
		{"/usr/bin/python3", []Literal{{"/usr/bin/python3", true}}},
		{"/app/data/**", []Literal{{"/app/data", false}}},
		{"/usr/{bin,sbin}/x*", []Literal{{"/usr/bin", false}, {"/usr/sbin", false}}},
		{`/a\*b`, []Literal{{"/a*b", true}}},
		{"/**", nil},
		{"'*.pem'", nil},
		{"/", []Literal{{"/", true}}},
		{"{equals: /a/b}", []Literal{{"/a/b", true}}},
		{"{startsWith: /a/bc}", []Literal{{"/a", false}}},
		{"{startsWith: /a/b/}", []Literal{{"/a/b", false}}},
		{"{endsWith: /a}", nil},
	} {
		p := mustParse(t, "version: 1\nrules:\n  - action: file.read\n    decision: deny\n    path: "+tt.matcher+"\n")
		if diff := cmp.Diff(tt.want, p.Rules[0].Path.Conditions[0].Literals(0)); diff != "" {
			t.Errorf("%s: %s", tt.matcher, diff)
		}
	}
}

func TestPlaces(t *testing.T) {
	p, err := Parse("m.yaml", []byte("kind: ConfigMap\ndata:\n  safeclaw.policy.yaml: |\n    version: 1\n    rules:\n"+
		"      - action: file.read\n        path:\n          glob: [/a, /b]\n        decision: deny\n"))
	if err != nil {
		t.Fatal(err)
	}
	r := p.Rules[0]
	if r.Line != 6 || r.Col != 9 {
		t.Errorf("rule at %d:%d, want 6:9", r.Line, r.Col)
	}
	if diff := cmp.Diff([]Place{{8, 18}, {8, 22}}, r.Path.Conditions[0].Places); diff != "" {
		t.Error(diff)
	}
}

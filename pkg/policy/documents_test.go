package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const manifests = `# a Deployment with an anchor, which is not our business
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ai, labels: &l {app: web}}
spec: {selector: {matchLabels: *l}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: good
  namespace: ai
data:
  safeclaw.policy.yaml: |
    version: 1
    rules:
      - {id: a, action: file.read, path: /a, decision: allow}
---
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {x: "1"}
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: bad}
    data:
      safeclaw.policy.yaml: |
        version: 1
        rules:
          - {action: file.raed, decision: allow}
  - apiVersion: v1
    kind: Secret
    metadata: {name: s}
`

func TestParseAll(t *testing.T) {
	docs, err := ParseAll("m.yaml", []byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range docs {
		switch {
		case d.Other != "":
			got = append(got, fmt.Sprintf("%d other %s", d.Line, d.Other))
		case d.Err != nil:
			got = append(got, fmt.Sprintf("%d bad %s: %v", d.Line, d.Name, d.Err))
		default:
			got = append(got, fmt.Sprintf("%d %s: %d rules, line %d", d.Line, d.Name, len(d.Policy.Rules), d.Policy.Rules[0].Line))
		}
	}
	want := []string{
		"2 other Deployment ai/web",
		"7 ai/good: 1 rules, line 16",
		"19 other ConfigMap settings without safeclaw.policy.yaml",
		`27 bad bad: m.yaml:34:22: unknown action "file.raed"; did you mean "file.read"?`,
		"35 other Secret s",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestParseAllOfOne(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"version: 1\nrules: []\n", "policy"},
		{"version: 1\n", "policy"},
		{"version: 1\nruels: []\n", "error"}, // a misspelt policy is not passed over
		{"rules: []\n", "error"},
		{"version: 1\nrules: []\n---\nversion: 1\n", "error error"},
		{"version: 1\nrules: []\n---\nkind: Pod\n", "error other"},
		{"version: '3'\nservices: {web: {image: x}}\n", "other"},
		{"cases: []\n", "other"},
		{"[1, 2]\n", "other"},
		{"image: {tag: x}\nroles: []\n", "other"},
		{"kind: ConfigMap\ndata: {safeclaw.policy.yaml: [1]}\n", "error"},
		{"kind: ConfigMap\ndata: {safeclaw.policy.yaml: \"version: 2\"}\n", "error"},
	} {
		docs, err := ParseAll("f", []byte(tt.src))
		if err != nil {
			t.Errorf("%q: %v", tt.src, err)
		}
		var got []string
		for _, d := range docs {
			switch {
			case d.Other != "":
				got = append(got, "other")
			case d.Err != nil:
				got = append(got, "error")
			case d.Policy != nil:
				got = append(got, "policy")
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q: %s, want %s", tt.src, s, tt.want)
		}
	}
}

// TestParseAllBroken: what stands before the damage is read, and the damage is reported.
func TestParseAllBroken(t *testing.T) {
	docs, err := ParseAll("f", []byte("kind: Pod\n---\na: [\n"))
	if len(docs) != 1 || err == nil || !strings.HasPrefix(err.Error(), "f:") {
		t.Errorf("%d documents, %v", len(docs), err)
	}
	if _, err := ParseAll("f", nil); err == nil {
		t.Error("an empty file is read")
	}
	if _, err := ParseAll("f", make([]byte, MaxManifestBytes+1)); err == nil {
		t.Error("a huge file is read")
	}
}

package k8s

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func TestParseSettings(t *testing.T) {
	s, err := ParseSettings("s", []byte(`version: 1
enforcement: observe
optOut: allow
allowedRelaxations: [ptrace]
exemptContainers:
  - {name: istio-proxy, image: docker.io/istio/proxyv2}
require:
  - {podSelector: "app in (a, b)", policy: p}
  - {namespaceSelector: "tier=x,!free"}
resolvers: [10.96.0.10, "fd00::a"]
searchDomains: [corp.example]
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Enforcement != "observe" || !s.OptOut || !s.asksNamespaces() {
		t.Errorf("%+v", s)
	}
	if len(s.Resolvers) != 2 || s.Resolvers[1].String() != "fd00::a" || len(s.SearchDomains) != 1 || s.SearchDomains[0] != "corp.example" {
		t.Errorf("resolvers %v, domains %v", s.Resolvers, s.SearchDomains)
	}
	if d := cmp.Diff([]string{"ptrace"}, s.AllowedRelaxations); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct {
		pod, namespace labels.Set
		want           string
	}{
		{labels.Set{"app": "a"}, nil, "p"},
		{labels.Set{"app": "c"}, labels.Set{"tier": "x"}, "own"},
		{labels.Set{"app": "c"}, labels.Set{"tier": "x", "free": ""}, "none"},
		{nil, labels.Set{}, "none"},
		{nil, nil, "unknown"},
	} {
		q, err := s.required(tt.pod, tt.namespace)
		got := "none"
		switch {
		case errors.Is(err, errNamespaceUnknown):
			got = "unknown"
		case q != nil && q.Policy == "":
			got = "own"
		case q != nil:
			got = q.Policy
		}
		if got != tt.want {
			t.Errorf("pod %v in %v: %s, not %s", tt.pod, tt.namespace, got, tt.want)
		}
	}
	if !s.exempts(Container{Name: "istio-proxy", Image: "docker.io/istio/proxyv2:1.20"}, true) ||
		s.exempts(Container{Name: "istio-proxy", Image: "evil/proxyv2"}, false) || s.exempts(Container{Name: "main"}, false) {
		t.Error("exemptions are by name and image")
	}
	if d := DefaultSettings(); d.OptOut || d.Enforcement != "enforce" {
		t.Errorf("%+v", d)
	}
}

func TestParseSettingsErrors(t *testing.T) {
	for text, want := range map[string]string{
		"enforcement: off\n":                               "1:1: no version",
		"version: 2\n":                                     "1:10: this agent reads version 1",
		"version: 1\nenforcment: off\n":                    `2:1: unknown field "enforcment"; did you mean "enforcement"?`,
		"version: 1\noptOut: yes\n":                        `2:9: unknown value "yes"`,
		"version: 1\nrequire: [{policy: p}]\n":             "an entry without a selector",
		"version: 1\nrequire: [{podSelector: 'a in ('}]\n": "s:2:25: not a label selector",
		"version: 1\nrequire: x\n":                         "where a list is expected",
		"version: 1\nexemptContainers: [{image: i}]\n":     "an exemption without a name",
		"version: 1\nexemptContainers: [a]\n":              "where a map is expected",
		"version: 1\nallowedRelaxations: [bpf]\n":          "bpf",
		"version: 1\nallowedRelaxations: [1]\n":            "where a text is expected",
		"version: 1\nresolvers: [dns.example]\n":           `"dns.example" is no address`,
		"version: 1\nsearchDomains: ['a b']\n":             "a b",
		"- x\n":                                            "where a map is expected",
		"version: 1\nversion: 1\n":                         "2:1:",
	} {
		_, err := ParseSettings("s", []byte(text))
		var list policy.ErrorList
		if !errors.As(err, &list) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
	}
}

// SPDX-License-Identifier: MIT

package examples

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/netpol"
)

// TestAgent: the example Deployment has the reference policy, and the
// NetworkPolicy that is made of it.
func TestAgent(t *testing.T) {
	const name = "agent/safeclaw.policy.yaml"
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("safeclaw-policy.configmap.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(reference), "safeclaw.policy.yaml: |\n")
	if got := "    " + strings.TrimSuffix(strings.ReplaceAll(string(src), "\n", "\n    "), "    "); got != block {
		t.Errorf("%s is not the reference policy but\n%s", name, got)
	}
	p, err := policy.Parse(name, src)
	if err != nil {
		t.Fatal(err)
	}
	np, err := netpol.Generate(p, nil, netpol.Options{Name: "agent-egress", Selector: map[string]string{"app": "agent"}})
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("agent/networkpolicy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, have, _ = bytes.Cut(have, []byte("\n")); !bytes.Equal(have, np.YAML()) {
		t.Errorf("agent/networkpolicy.yaml is not what its first line makes:\n%s", np.YAML())
	}
}

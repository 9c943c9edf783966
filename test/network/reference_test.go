package network

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/test/gated"
)

// TestReference: under the reference policy unmodified curl, Python, Node and Go
// fetch from its three hosts, and nothing else is resolved or reached.
func TestReference(t *testing.T) {
	pl := newPlace(t, resolvConf)
	src, err := os.ReadFile("reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hosts := []string{"api.openai.com", "api.anthropic.com", "x.internal.svc.cluster.local"}
	argv := []string{"/app/get.sh"}
	for _, h := range append(hosts, refusedName, elsewhere) {
		argv = append(argv, "https://"+h+"/")
	}
	var denied []string
	r := suite.Run(t, agent.RunOptions{
		Tables: gated.Policy(t, src, "", true), LogDir: t.TempDir(), Root: pl.root, Argv: argv,
		Network: loader.Network{Resolvers: []netip.Addr{netip.MustParseAddr(serviceDNS)}, Search: searches},
		Denied:  func(d *audit.Decision) { denied = append(denied, d.Action+" "+string(d.Subject)) },
	})
	r.Ended(t, 0)
	all := said(t, r.Output)
	for _, client := range []string{"curl", "python", "node", "go"} {
		for _, h := range hosts {
			if words := all[[2]string{client, "https://" + h + "/"}]; words != "this is "+h {
				t.Errorf("%s fetches %q from %s", client, words, h)
			}
		}
		for _, h := range []string{refusedName, elsewhere} {
			if words := all[[2]string{client, "https://" + h + "/"}]; !strings.HasPrefix(words, "error: ") {
				t.Errorf("%s fetches %q from %s", client, words, h)
			}
		}
	}
	for _, d := range denied {
		if !strings.Contains(d, refusedName) && !strings.Contains(d, elsewhere) {
			t.Errorf("denied: %s", d)
		}
	}
	if len(denied) == 0 {
		t.Error("nothing was denied")
	}
}

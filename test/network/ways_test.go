package network

import (
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// fetches runs get.sh for the hosts, and wants from every client what is there.
func fetches(t *testing.T, p *pod, pl *place, hosts ...string) []*loader.Event {
	t.Helper()
	argv := []string{"/app/get.sh"}
	for _, h := range hosts {
		argv = append(argv, "https://"+h+"/")
	}
	out, events := p.run(t, pl, argv...)
	all := said(t, out)
	for _, client := range []string{"curl", "python", "node", "go"} {
		for _, h := range hosts {
			if words := all[[2]string{client, "https://" + h + "/"}]; words != "this is "+h {
				t.Errorf("%s fetches %q from %s", client, words, h)
			}
		}
	}
	return events
}

// TestHosts: unmodified clients fetch from hosts that are allowed by name, each
// connection is recorded with its name, and nothing that they ask is refused.
func TestHosts(t *testing.T) {
	pl := newPlace(t, resolvConf)
	p := newPod(t, hosts, serviceDNS)
	named := map[string]int{}
	for _, e := range fetches(t, p, pl, "api.openai.com", "api.anthropic.com", "x.internal.svc.cluster.local") {
		switch {
		case e.Verdict == loader.Deny:
			t.Errorf("%s of %s %v was denied", e.Hook, e.Subject, e.Address)
		case e.Address.Port() == 443:
			named[e.Name.Name]++
			if e.Name.Resolver.Addr().String() != serviceDNS || e.Name.Expires <= e.Name.Asked {
				t.Errorf("the record of a connection to %v says %+v", e.Address, e.Name)
			}
		}
	}
	for _, h := range []string{"api.openai.com", "api.anthropic.com", "x.internal.svc.cluster.local"} {
		if named[h] == 0 {
			t.Errorf("no record of a connection to %s: %v", h, named)
		}
	}
}

// TestOverIPv6: a resolver that is reached over IPv6, and a host of which one
// family leads nowhere (happy eyeballs).
func TestOverIPv6(t *testing.T) {
	pl := newPlace(t, strings.ReplaceAll(resolvConf, serviceDNS, serviceDNS6))
	p := newPod(t, hosts, serviceDNS6)
	for _, e := range fetches(t, p, pl, "api.openai.com") {
		if e.Verdict == loader.Deny {
			t.Errorf("%s of %s %v was denied", e.Hook, e.Subject, e.Address)
		}
	}
}

// TestRewritten: a resolver whose address a program on the cgroup rewrites.
func TestRewritten(t *testing.T) {
	pl := newPlace(t, strings.ReplaceAll(resolvConf, serviceDNS, balancedDNS))
	p := newPod(t, hosts, balancedDNS)
	p.rewrite(t, balancedDNS, endpointDNS)
	for _, e := range fetches(t, p, pl, "api.openai.com") {
		if e.Verdict == loader.Deny {
			t.Errorf("%s of %s %v was denied", e.Hook, e.Subject, e.Address)
		}
	}
}

// TestOtherResolver: a resolver that is not the pod's is not asked, whatever
// resolv.conf says, and by whatever address.
func TestOtherResolver(t *testing.T) {
	pl := newPlace(t, strings.ReplaceAll(resolvConf, serviceDNS, foreignDNS))
	p := newPod(t, hosts, serviceDNS)
	out, events := p.run(t, pl, ask([]string{"glibc", "go", "dig"}, "api.openai.com")...)
	for k, words := range said(t, out) {
		if !strings.HasPrefix(words, "error: ") {
			t.Errorf("%s finds %q for %s", k[0], words, k[1])
		}
	}
	refused := 0
	for _, e := range events {
		if e.Verdict == loader.Deny && e.Address.Addr().String() == foreignDNS {
			refused++
		} else if e.Query != nil {
			t.Errorf("a query for %s was read, verdict %d", e.Subject, e.Verdict)
		}
	}
	if refused == 0 {
		t.Error("no record says that the resolver was refused")
	}
}

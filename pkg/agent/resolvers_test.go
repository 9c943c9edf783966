package agent

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestReadResolvConf(t *testing.T) {
	const kubelet = `# by kubelet
search ns.svc.cluster.local svc.cluster.local cluster.local node.example
nameserver 10.96.0.10
nameserver fe80::1%eth0
nameserver 10.96.0.10
nameserver nonsense
options ndots:5
`
	n, err := readResolvConf(strings.NewReader(kubelet))
	if err != nil {
		t.Fatal(err)
	}
	if want := []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fe80::1")}; !slices.Equal(n.Resolvers, want) {
		t.Errorf("resolvers %v, want %v", n.Resolvers, want)
	}
	if want := []string{"ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "node.example"}; !slices.Equal(n.Search, want) {
		t.Errorf("search %v, want %v", n.Search, want)
	}
	if n, err = readResolvConf(strings.NewReader("domain a.example\nsearch b.example\n")); err != nil || !slices.Equal(n.Search, []string{"b.example"}) {
		t.Errorf("two lines of domains: %v, %v", n.Search, err)
	}
}

func TestParseResolvers(t *testing.T) {
	if got, err := ParseResolvers([]string{"10.0.0.1", "::ffff:10.0.0.2"}); err != nil || len(got) != 2 || !got[1].Is4() {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "dns.example", "fe80::1%eth0", "10.0.0.1:53"} {
		if got, err := ParseResolvers([]string{bad}); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

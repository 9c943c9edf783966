package product_test

import (
	"net/netip"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

func TestWellFormed(t *testing.T) {
	path := func(p string) []byte { return policy.PathSubject(false, p) }
	for _, tt := range []struct {
		kind    policy.Kind
		subject []byte
		want    bool
	}{
		{policy.KindRead, path("/"), true},
		{policy.KindRead, path("/a/..data/.b"), true},
		{policy.KindRead, path("/a/"), false},
		{policy.KindRead, path("//a"), false},
		{policy.KindRead, path("/a/./b"), false},
		{policy.KindRead, path("/a/.."), false},
		{policy.KindRead, path("/a/..."), true},
		{policy.KindRead, path("a"), false},
		{policy.KindRead, path("/a\x00b"), false},
		{policy.KindRead, nil, false},
		{policy.KindExec, policy.NoPathSubject(), true},
		{policy.KindCommand, policy.CommandSubject(false, "/bin/git", []string{"", "a b"}), true},
		{policy.KindCommand, policy.CommandSubject(false, "/bin/", []string{"a"}), false},
		{policy.KindHost, policy.HostSubject("A.example."), true},
		{policy.KindHost, policy.HostSubject("a..example"), false},
		{policy.KindHost, policy.HostSubject(""), false},
		{policy.KindAddr, policy.AddrSubject(true, netip.MustParseAddr("10.0.0.1"), 17, 0), true},
		{policy.KindAddr, policy.AddrSubject(false, netip.MustParseAddr("fd00::1"), 6, 443), true},
		{policy.KindAddr, policy.AddrSubject(false, netip.MustParseAddr("fd00::1"), 132, 443), false},
		{policy.KindAddr, []byte{1, 0, 0}, false},
	} {
		if got := product.WellFormed(tt.kind, tt.subject); got != tt.want {
			t.Errorf("%s %q: %v", tt.kind, tt.subject, got)
		}
	}
}

func TestActionText(t *testing.T) {
	for _, tt := range []struct {
		action product.Action
		want   string
	}{
		{product.Action{Kind: policy.KindRead, Subject: policy.PathSubject(true, "/a b")}, "/a b (on a mounted volume)"},
		{product.Action{Kind: policy.KindRead, Subject: policy.PathSubject(false, "/a\x1b[2J")}, `"/a\x1b[2J"`},
		{product.Action{Kind: policy.KindExec, Subject: policy.NoPathSubject()}, "(a file without a path)"},
		{
			product.Action{
				Kind: policy.KindExec, Subject: policy.PathSubject(false, "/bin/git"),
				Facts: policy.Facts{Command: policy.CommandSubject(false, "/bin/git", []string{"commit", "", "a b"}), Exe: policy.PathSubject(false, "/bin/sh")},
			},
			`/bin/git with arguments commit "" "a b" by /bin/sh`,
		},
		{
			product.Action{
				Kind: policy.KindAddr, Subject: policy.AddrSubject(true, netip.MustParseAddr("fd00::1"), 17, 53),
				Facts: policy.Facts{Name: policy.HostSubject("a.example")},
			},
			"[fd00::1]:53/udp (from a pod on the node's network) as a.example",
		},
	} {
		if got := tt.action.String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

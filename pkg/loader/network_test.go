package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// resolverAt is where the tests' server is.
var resolverAt = netip.MustParseAddrPort("127.0.0.1:53")

// zone answers queries: a name's address is made from its name.
type zone struct {
	mu    sync.Mutex
	asked []string
	addr  map[string][]string
}

func startZone(t *testing.T, at string) *zone {
	t.Helper()
	c, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{addr: map[string][]string{}}
	done := make(chan bool)
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if _, err := c.WriteTo(z.answer(append([]byte(nil), buf[:n]...)), from); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return z
}

func questionName(msg []byte) (string, int) {
	var labels []string
	at := 12
	for msg[at] != 0 {
		labels = append(labels, string(msg[at+1:at+1+int(msg[at])]))
		at += 1 + int(msg[at])
	}
	return strings.Join(labels, "."), at + 1
}

func (z *zone) answer(query []byte) []byte {
	name, at := questionName(query)
	typ := binary.BigEndian.Uint16(query[at:])
	z.mu.Lock()
	z.asked = append(z.asked, name)
	addrs := z.addr[strings.ToLower(name)]
	z.mu.Unlock()
	if addrs == nil && strings.HasSuffix(name, ".many.test") {
		var i int
		if _, err := fmt.Sscanf(name, "n%d.", &i); err != nil {
			return nil
		}
		addrs = []string{fmt.Sprintf("10.%d.%d.%d", 64+i>>16, i>>8&255, i&255)}
	}
	out := append(append([]byte(nil), query[:2]...), u16s(0x8180, 1, 0, 0, 0)...)
	out = append(out, query[12:at+4]...)
	count := 0
	for _, a := range addrs {
		addr := netip.MustParseAddr(a)
		if addr.Is4() == (typ == typeA) {
			out = append(out, record([]byte{0xc0, 12}, typ, 5, addr.AsSlice())...)
			count++
		}
	}
	binary.BigEndian.PutUint16(out[6:], uint16(count))
	return out
}

func (z *zone) has(name string) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, n := range z.asked {
		if n == name {
			return true
		}
	}
	return false
}

// gatedNetwork is a child whose names are read.
func gatedNetwork(t *testing.T, g *Gate, slot uint32, n Network) (*child, group) {
	t.Helper()
	gr := newGroup(t, cgroupRoot)
	if err := g.ReadNames(gr.dir); err != nil {
		t.Fatal(err)
	}
	if err := g.SetNetwork(gr.id, n); err != nil {
		t.Fatal(err)
	}
	bind(t, g, gr, BindAny|BindNames, slot)
	t.Cleanup(func() {
		if err := g.ForgetNetwork(gr.id); err != nil {
			t.Error(err)
		}
	})
	return startChild(t, gr), gr
}

const networkPolicy = `version: 1
rules:
  - {action: "file.*", path: "/**", decision: allow}
  - {action: process.exec, path: "/**", decision: allow}
  - {id: api, action: network.request, host: {in: [api.test, other.test]}, port: 443, protocol: tcp, decision: allow}
  - {id: many, action: network.request, host: {endsWith: .many.test}, port: 443, decision: allow}
  - {id: wide, action: network.request, host: wide.test, decision: audit}
  - {id: net, action: network.request, cidr: 10.7.0.0/16, port: 80, decision: allow}
`

// passed says that no hook refused: nothing answers at these addresses.
func passed(t *testing.T, c *child, format string, args ...any) {
	t.Helper()
	if got := c.ask(format, args...); got == "EACCES" || got == "EPERM" {
		t.Fatalf("%s: %s", fmt.Sprintf(format, args...), got)
	}
}

func TestNetworkByName(t *testing.T) {
	g := sharedGate(t)
	z := startZone(t, resolverAt.String())
	z.addr["api.test"] = []string{"10.1.0.1", "2001:db8::1"}
	z.addr["wide.test"] = []string{"10.1.0.2"}
	z.addr["evil.test"] = []string{"10.1.0.3"}
	z.addr["other.test"] = []string{"10.1.0.4", "127.0.0.9", "169.254.169.254"}
	slot, tb := install(t, g, networkPolicy)
	c, gr := gatedNetwork(t, g, slot, Network{Resolvers: []netip.Addr{resolverAt.Addr()}, Search: []string{"ns.svc.cluster.local", "svc.cluster.local"}})
	at := resolverAt.String()

	c.want("EACCES", "dial tcp 10.1.0.1:443") // never asked
	c.want("10.1.0.1", "resolve %s aPi.tEst 1", at)
	passed(t, c, "dial tcp 10.1.0.1:443")
	passed(t, c, "dial tcp [::ffff:10.1.0.1]:443")
	passed(t, c, "fastopen tcp 10.1.0.1:443")
	c.want("EACCES", "dial tcp 10.1.0.1:80")
	c.want("EACCES", "dial tcp 10.1.0.2:443")
	c.want("2001:db8::1", "resolve %s api.test 28", at)
	passed(t, c, "dial tcp [2001:db8::1]:443")
	c.want("EACCES", "fastopen tcp 10.1.0.1:80")
	c.want("EACCES", "send udp 10.1.0.1:443")

	// A route is asked for, nothing is sent.
	for _, port := range []int{443, 0, 9, 65535} {
		fd := c.ask("connected udp 10.1.0.1:%d", port)
		if fd != "EACCES" && fd != "EPERM" && !strings.HasPrefix(fd, "E") {
			c.want("EACCES", "send-on %s", fd)
		}
	}
	c.want("EACCES", "dial udp 10.1.0.1:444")

	// What no rule allows is not asked for.
	c.want("EPERM", "resolve %s evil.test 1", at)
	c.want("EPERM", "resolve %s secret.api.test 1", at)
	c.want("EPERM", "resolve %s api.test 16", at)
	c.want("none", "resolve %s api.test.ns.svc.cluster.local 1", at)
	c.want("none", "resolve %s api.test.svc.cluster.local 1", at)
	c.want("EPERM", "resolve %s evil.test.svc.cluster.local 1", at)
	for _, name := range []string{"evil.test", "secret.api.test", "evil.test.svc.cluster.local"} {
		if z.has(name) {
			t.Errorf("the server was asked for %s", name)
		}
	}
	// Other servers, and other ways.
	c.want("EACCES", "resolve 127.0.0.2:53 api.test 1")
	c.want("EACCES", "dial tcp %s", at)
	c.want("EACCES", "send udp 10.1.0.1:53")
	c.want("EACCES", "dial tcp 10.1.0.1:853")
	// Rebinding.
	c.want("169.254.169.254", "resolve %s other.test 1", at)
	passed(t, c, "dial tcp 10.1.0.4:443")
	c.want("EACCES", "dial tcp 169.254.169.254:443")
	c.want("EACCES", "dial tcp 127.0.0.9:443")
	// By address.
	passed(t, c, "dial tcp 10.7.1.1:80")
	c.want("EACCES", "dial tcp 10.7.1.1:443")

	// The record says the name.
	drain(t, g)
	c.want("10.1.0.2", "resolve %s wide.test 1", at)
	passed(t, c, "dial tcp 10.1.0.2:8443")
	c.want("EPERM", "resolve %s evil.test 1", at)
	var wide, refused *Event
	for _, e := range drain(t, g) {
		switch {
		case e.Address == netip.MustParseAddrPort("10.1.0.2:8443"):
			wide = e
		case e.Query != nil && e.Verdict == Deny:
			refused = e
		}
	}
	if wide == nil || wide.Name.Name != "wide.test" || wide.Name.Resolver != resolverAt || tb.Rules[wide.Rule].Name != "wide" ||
		wide.Name.Asked == 0 || wide.Name.Asked >= wide.Time || wide.Name.Expires-wide.Time > 330*time.Second || wide.Name.Expires-wide.Time < 300*time.Second {
		t.Errorf("the record of the connection: %+v", wide)
	}
	if refused == nil || string(refused.Subject) != "evil.test" || refused.Query.Type != typeA || refused.Hook != "dns_query" || int(refused.PID) != c.proc.Pid || refused.Cgroup != gr.id {
		t.Errorf("the record of the query: %+v", refused)
	}

	// Another policy judges what was learned by its own rules.
	if err := g.ReplacePolicy(slot, compile(t, strings.ReplaceAll(networkPolicy, "host: wide.test", "host: narrow.test"))); err != nil {
		t.Fatal(err)
	}
	c.want("EACCES", "dial tcp 10.1.0.2:8443")
	passed(t, c, "dial tcp 10.1.0.1:443")
}

// TestNamesOutliveAgent: names are resolved and judged while no agent lives, and
// what was learned is known to the one that comes, and to another build's programs.
func TestNamesOutliveAgent(t *testing.T) {
	dir := pinDir(t)
	z := startZone(t, resolverAt.String())
	z.addr["api.test"] = []string{"10.1.0.1"}
	z.addr["wide.test"] = []string{"10.1.0.2"}
	g := agent(t, Options{PinDir: dir})
	tb := compile(t, networkPolicy)
	slot, err := g.InstallPolicy(tb)
	if err != nil {
		t.Fatal(err)
	}
	gr := newGroup(t, cgroupRoot)
	err = errors.Join(g.ReadNames(gr.dir), g.SetNetwork(gr.id, Network{Resolvers: []netip.Addr{resolverAt.Addr()}}), g.Bind(gr.id, BindAny|BindNames, slot))
	if err != nil {
		t.Fatal(err)
	}
	c, at := startChild(t, gr), resolverAt.String()
	c.want("10.1.0.1", "resolve %s api.test 1", at)
	closeGate(t, g)

	// Nobody is there.
	passed(t, c, "dial tcp 10.1.0.1:443")
	c.want("EACCES", "dial tcp 10.1.0.2:443")
	c.want("10.1.0.2", "resolve %s wide.test 1", at)
	c.want("EPERM", "resolve %s evil.test 1", at)
	passed(t, c, "dial tcp 10.1.0.2:443")

	for _, build := range []string{"", "another"} {
		g = agent(t, Options{PinDir: dir, Build: build})
		if want := map[string]Start{"": StartAdopted, "another": StartUpgraded}[build]; g.How() != want {
			t.Fatalf("build %q: %v", build, g.How())
		}
		passed(t, c, "dial tcp 10.1.0.1:443")
		passed(t, c, "dial tcp 10.1.0.2:443")
		c.want("EACCES", "dial tcp 10.1.0.3:443")
		c.want("EPERM", "resolve %s evil.test 1", at)
		c.want("10.1.0.1", "resolve %s api.test 1", at)
		closeGate(t, g)
	}
}

// TestCut: connections that a policy allows no longer end, if it says so.
func TestCut(t *testing.T) {
	g := sharedGate(t)
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	const src = "version: 1\nconnections: cut\nrules:\n  - {action: 'file.*', path: '/**', decision: allow}\n"
	open := src + "  - {action: network.request, cidr: 127.0.0.0/8, decision: allow}\n"
	if g.Variant() == VariantPlain {
		if _, err := g.InstallPolicy(compile(t, open)); !errors.Is(err, ErrNotSupported) {
			t.Fatalf("a kernel without bpf_sock_destroy: %v", err)
		}
		t.Log("kernel lacks: bpf_sock_destroy beside the other functions; such a policy is refused")
		return
	}
	slot, _ := install(t, g, open)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, slot)
	c := startChild(t, gr)
	tcp := c.number("connected tcp %s", in.Addr())
	udp := c.number("connected udp %s", in.Addr())
	peer, err := in.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c.want("ok", "send-on %d", tcp)
	if err := g.ReplacePolicy(slot, compile(t, open+"  - {action: file.read, path: /nothing, decision: deny}\n")); err != nil {
		t.Fatal(err)
	}
	c.want("ok", "send-on %d", tcp) // still allowed
	if err := g.ReplacePolicy(slot, compile(t, src)); err != nil {
		t.Fatal(err)
	}
	if got := c.ask("send-on %d", tcp); got != "ECONNABORTED" && got != "EPIPE" {
		t.Errorf("a send on the connection: %s", got)
	}
	if got := c.ask("send-on %d", udp); got == "ok" {
		t.Error("a UDP socket goes on sending")
	}
}

// TestConnectAtOnce connects at the instant of the answer.
func TestConnectAtOnce(t *testing.T) {
	n := 2000
	if long() {
		n = 100_000
	}
	g := sharedGate(t)
	startZone(t, resolverAt.String())
	slot, _ := install(t, g, networkPolicy)
	c, _ := gatedNetwork(t, g, slot, Network{Resolvers: []netip.Addr{resolverAt.Addr()}})
	ok, denied := c.tally("burst %s many.test %d 443", resolverAt, n)
	t.Logf("%d connected, %d denied", ok, denied)
	if denied > 0 || ok != n {
		t.Errorf("%d of %d were denied", denied, n)
	}
}

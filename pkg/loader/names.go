package loader

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Name says by which name an address was judged, and how that was learned.
type Name struct {
	Name     string        // empty: the address has none
	Asked    time.Duration // since boot
	Expires  time.Duration
	Resolver netip.AddrPort // that answered, as its packet said
}

// Query is a DNS query.
type Query struct {
	Type    uint16 // as in the message; 0 where it was not read
	Refusal string // why it was refused beside the rules, or empty
}

// refusals name enum dns_refusal of bpf/dns_types.h.
var refusals = map[safeclawDnsRefusal]string{
	safeclawDnsRefusalDNS_LENGTH:   "length",
	safeclawDnsRefusalDNS_HEADER:   "header",
	safeclawDnsRefusalDNS_NAME:     "name",
	safeclawDnsRefusalDNS_CLASS:    "class",
	safeclawDnsRefusalDNS_EDNS:     "edns",
	safeclawDnsRefusalDNS_TRAILING: "trailing bytes",
	safeclawDnsRefusalDNS_RECORD:   "record",
	safeclawDnsRefusalDNS_PACKET:   "packet",
	safeclawDnsRefusalDNS_TYPE:     "type",
	safeclawDnsRefusalDNS_LABEL:    "label",
	safeclawDnsRefusalDNS_RATE:     "rate",
}

// nameHead is the size of struct name_record of bpf/dns_types.h.
const nameHead = 40

// decodeName reads what follows the address of a connect.
func decodeName(b []byte) Name {
	if len(b) <= nameHead {
		return Name{}
	}
	u := binary.LittleEndian.Uint64
	server := netip.AddrFrom16([16]byte(b[16:32])).Unmap()
	return Name{
		Name: string(lastFirst(b[nameHead:])), Asked: time.Duration(u(b)), Expires: time.Duration(u(b[8:])),
		Resolver: netip.AddrPortFrom(server, binary.LittleEndian.Uint16(b[32:])),
	}
}

// lastFirst turns a name as the kernel has it.
func lastFirst(b []byte) []byte {
	out := slices.Clone(b)
	slices.Reverse(out)
	return out
}

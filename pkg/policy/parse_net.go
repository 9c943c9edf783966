package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// IP protocol numbers.
const (
	protoTCP = 6
	protoUDP = 17
)

func parseHostAppend(text string, addrs []netip.Addr,
	parse func(string) ([]hostPattern, []netip.Addr, *globError),
) ([]hostPattern, []netip.Addr, *globError) {
	hosts, more, err := parse(text)
	return hosts, append(addrs, more...), err
}

func listItems(n *ynode) []*ynode {
	if n.kind == ySeq {
		return n.vals
	}
	return []*ynode{n}
}

// ports reads a number, a range "8000-9000", or a list of them.
func (p *parser) ports(n *ynode) []PortRange {
	var out []PortRange
	for _, item := range listItems(n) {
		low, high, isRange := strings.Cut(item.text, "-")
		if !isRange {
			high = low
		}
		lo, ok1 := decimal(strings.TrimSpace(low), 1, 65535)
		hi, ok2 := decimal(strings.TrimSpace(high), 1, 65535)
		switch {
		case item.kind != yScalar || !ok1 || !ok2:
			p.fail(item, fmt.Sprintf("%s is no port", describe(item)), `write a number from 1 to 65535, or a range such as "8000-9000"`)
		case lo > hi:
			p.fail(item, "a range that runs backwards", "")
		default:
			out = append(out, PortRange{uint16(lo), uint16(hi)})
		}
	}
	return out
}

// decimal reads a number within bounds. A leading zero is refused: YAML takes
// such a number as octal, people do not.
func decimal(text string, low, high uint64) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && low <= n && n <= high && strconv.FormatUint(n, 10) == text
}

func (p *parser) protocols(n *ynode) []uint8 {
	var out []uint8
	for _, item := range listItems(n) {
		switch s, ok := p.choice(item, "protocol", "tcp", "udp"); {
		case ok && s == "tcp":
			out = append(out, protoTCP)
		case ok:
			out = append(out, protoUDP)
		}
	}
	return out
}

// cidrs reads an address range or a list of them. A bare address is a range of
// one.
func (p *parser) cidrs(n *ynode) []netip.Prefix {
	var out []netip.Prefix
	for _, item := range listItems(n) {
		s, ok := p.word(item, "cidr")
		if !ok {
			continue
		}
		prefix, hint := parseCIDR(s)
		if !prefix.IsValid() {
			p.fail(item, fmt.Sprintf("%q is no address range", s), hint)
			continue
		}
		out = append(out, prefix)
	}
	return out
}

// parseCIDR returns the range in masked form, an IPv4 one never as mapped
// into IPv6.
func parseCIDR(s string) (netip.Prefix, string) {
	const example = "write such as 10.0.0.0/8 or fd00::/8"
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), ""
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, example
	}
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, example
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, "bits beyond the prefix are set; did you mean \"" + prefix.Masked().String() + "\"?"
	}
	return prefix, ""
}

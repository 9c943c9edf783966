package policy

import "net/netip"

var everyByte = rangeSet(0, 255)

// mapped returns a range in the form that subjects have: 16 bytes, IPv4 as
// ::ffff:a.b.c.d.
func mapped(p netip.Prefix) ([16]byte, int) {
	if p.Addr().Is4() {
		return p.Addr().As16(), p.Bits() + 96
	}
	return p.Addr().As16(), p.Bits()
}

// insertRange adds an address range and returns the node behind the address.
func (a *nfa) insertRange(root int32, p netip.Prefix) int32 {
	ip, bits := mapped(p)
	for i := range ip {
		set := everyByte
		switch left := bits - 8*i; {
		case left >= 8:
			set = rangeSet(ip[i], ip[i])
		case left > 0:
			set = rangeSet(ip[i], ip[i]|0xff>>left)
		}
		root = a.follow(root, symbol{symSet, a.set(set)})
	}
	return root
}

// coversIPv4Form reports whether an IPv6 range holds the form that IPv4
// addresses have in a subject. Such a range means IPv6 addresses only.
func coversIPv4Form(p netip.Prefix) bool { return p.Addr().Is6() && p.Contains(ipv4Form) }

var ipv4Form = netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff})

// insertAddrRule adds a network rule below root, where the address begins.
func (a *nfa) insertAddrRule(root int32, r *Rule, allow bool, order int32) {
	ranges, anyAddr := addrRanges(r)
	if anyAddr {
		ranges = []netip.Prefix{netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
	tails := map[mark]int32{}
	type end struct {
		node   int32
		unless mark
	}
	var ends []end
	for _, p := range ranges {
		var unless mark
		if allow && (anyAddr || !namesAddress(p)) {
			unless |= unlessMetadata
		}
		if !anyAddr && coversIPv4Form(p) {
			unless |= unlessIPv4
		}
		ends = append(ends, end{a.insertRange(root, p), unless})
	}
	for _, e := range ends {
		tail, ok := tails[e.unless]
		if !ok {
			tail = a.node()
			tails[e.unless] = tail
			a.insertPorts(tail, r, accept{order: order, unless: e.unless})
		}
		a.addEmpty(e.node, tail)
	}
}

// insertPorts adds protocol and port below tail.
func (a *nfa) insertPorts(tail int32, r *Rule, acc accept) {
	proto := everyByte
	if r != nil && r.hasProtocols {
		proto = byteSet{}
		for _, p := range r.Protocols {
			proto.add(p)
		}
	}
	ports := []PortRange{{0, 0xffff}}
	if r != nil && r.hasPorts {
		ports = r.Ports
	}
	at := a.follow(tail, symbol{symSet, a.set(proto)})
	for _, p := range ports {
		for _, pair := range portBytes(p) {
			n := a.follow(at, symbol{symSet, a.set(pair[0])})
			last := a.own(a.follow(n, symbol{symSet, a.set(pair[1])}))
			last.final = append(last.final, acc)
		}
	}
}

// portBytes splits a range into pairs of sets for its two bytes.
func portBytes(p PortRange) [][2]byteSet {
	loHi, loLo := byte(p.Low>>8), byte(p.Low)
	hiHi, hiLo := byte(p.High>>8), byte(p.High)
	if loHi == hiHi {
		return [][2]byteSet{{rangeSet(loHi, loHi), rangeSet(loLo, hiLo)}}
	}
	out := [][2]byteSet{
		{rangeSet(loHi, loHi), rangeSet(loLo, 255)},
		{rangeSet(hiHi, hiHi), rangeSet(0, hiLo)},
	}
	if loHi+1 < hiHi {
		out = append(out, [2]byteSet{rangeSet(loHi+1, hiHi-1), rangeSet(0, 255)})
	}
	return out
}

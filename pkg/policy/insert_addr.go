package policy

import (
	"fmt"
	"net/netip"
	"slices"
)

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

// tail holds the nodes for protocol and ports behind an address.
type tail struct {
	at   int32
	ends []int32
}

// insertAddrRule adds a network rule below root, where the address begins.
func (a *nfa) insertAddrRule(root int32, r *Rule, allow bool, order int32) {
	ranges, anyAddr := addrRanges(r)
	if anyAddr {
		ranges = []netip.Prefix{netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	}
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
	tails := map[mark]*tail{}
	for _, e := range ends {
		t := tails[e.unless]
		if t == nil {
			t = a.tailFor(root, r, anyAddr, e.unless)
			tails[e.unless] = t
			for _, n := range t.ends {
				last := a.own(n)
				last.final = append(last.final, accept{order: order, unless: e.unless})
			}
		}
		if !slices.Contains(a.nodes[e.node].eps, t.at) {
			a.addEmpty(e.node, t.at)
		}
	}
}

// tailFor returns nodes for protocol and port of a rule. Rules for any address
// that agree about them share theirs: there may be thousands by name.
func (a *nfa) tailFor(root int32, r *Rule, anyAddr bool, unless mark) *tail {
	key := fmt.Sprint(root, unless, r.hasProtocols, r.Protocols, r.hasPorts, r.Ports)
	if t := a.tails[key]; t != nil && anyAddr {
		return t
	}
	t := &tail{at: a.node()}
	if anyAddr {
		a.tails[key] = t
	}
	proto := everyByte
	if r.hasProtocols {
		proto = byteSet{}
		for _, p := range r.Protocols {
			proto.add(p)
		}
	}
	ports := []PortRange{{0, 0xffff}}
	if r.hasPorts {
		ports = r.Ports
	}
	at := a.follow(t.at, symbol{symSet, a.set(proto)})
	for _, p := range ports {
		for _, pair := range portBytes(p) {
			n := a.follow(at, symbol{symSet, a.set(pair[0])})
			n = a.follow(n, symbol{symSet, a.set(pair[1])})
			if !slices.Contains(t.ends, n) {
				t.ends = append(t.ends, n)
			}
		}
	}
	return t
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

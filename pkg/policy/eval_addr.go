package policy

import (
	"net/netip"
	"slices"
)

// meetsAddr compares an address with a rule: either the rule's host spells the
// address out, or the address is bound to a name that it matches.
func (s *evalSubject) meetsAddr(r *Rule) bool {
	if !s.onPort(r) {
		return false
	}
	named := false // by an address or a range narrow enough
	if r.hasCIDRs && !s.withinAny(r.CIDRs, &named) {
		return false
	}
	if r.Host != nil {
		spelt := allHold(r.Host, func(c *Condition) bool { return s.isAny(c.addrs) })
		if !spelt && (s.name == nil || !s.name.meetsName(r.Host)) {
			return false
		}
		named = named || spelt
	}
	return r.Decision == DecisionDeny || !s.isMetadata() || named
}

func (s *evalSubject) isMetadata() bool {
	return slices.ContainsFunc(metadataAddresses, func(p netip.Prefix) bool { return p.Contains(s.addr) })
}

// withinAny reports whether a range holds the address, and sets named when one
// of them is narrow. The unspecified address is loopback.
func (s *evalSubject) withinAny(ranges []netip.Prefix, named *bool) bool {
	found := false
	for _, p := range ranges {
		if !p.Contains(s.addr) && !(s.addr.IsUnspecified() && p.Contains(loopbackOf(s.addr))) {
			continue
		}
		found = true
		if p.IsSingleIP() || p.Addr().Is4() && p.Bits() >= 30 || p.Addr().Is6() && p.Bits() >= 126 {
			*named = true
		}
	}
	return found
}

func (s *evalSubject) isAny(addrs []netip.Addr) bool {
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		return a == s.addr || s.addr.IsUnspecified() && a == loopbackOf(s.addr)
	})
}

func (s *evalSubject) onPort(r *Rule) bool {
	if r.hasProtocols && !slices.Contains(r.Protocols, s.proto) {
		return false
	}
	inRange := func(p PortRange) bool { return p.Low <= s.port && s.port <= p.High }
	return !r.hasPorts || slices.ContainsFunc(r.Ports, inRange)
}

func loopbackOf(unspecified netip.Addr) netip.Addr {
	if unspecified.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

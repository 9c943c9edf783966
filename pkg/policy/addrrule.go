package policy

import "net/netip"

// addrRanges returns the ranges that a network rule is about. anyAddr means
// that it does not restrict the address; with neither, the rule matches no
// address (its host is a name).
func addrRanges(r *Rule) (ranges []netip.Prefix, anyAddr bool) {
	if r.Host == nil && !r.hasCIDRs {
		return nil, true
	}
	first := true
	meet := func(more []netip.Prefix) {
		more = withUnspecified(more)
		if first {
			ranges, first = more, false
			return
		}
		ranges = intersect(ranges, more)
	}
	if r.hasCIDRs {
		meet(r.CIDRs)
	}
	if r.Host != nil {
		for _, c := range r.Host.Conditions {
			var own []netip.Prefix
			for _, a := range c.addrs {
				own = append(own, netip.PrefixFrom(a, a.BitLen()))
			}
			meet(own)
		}
	}
	return ranges, false
}

// intersect returns the ranges that lie in a range of both lists. Of two ranges
// one holds the other or they have nothing in common.
func intersect(a, b []netip.Prefix) []netip.Prefix {
	var both []netip.Prefix
	taken := map[netip.Prefix]bool{}
	within := func(inner, outer []netip.Prefix) {
		known := map[netip.Prefix]bool{}
		for _, p := range outer {
			known[p] = true
		}
		for _, p := range inner {
			for bits := p.Bits(); bits >= 0 && !taken[p]; bits-- {
				if wider, err := p.Addr().Prefix(bits); err == nil && known[wider] {
					taken[p] = true
					both = append(both, p)
				}
			}
		}
	}
	within(a, b)
	within(b, a)
	return both
}

// withUnspecified adds the unspecified address to ranges that hold loopback,
// which is where Linux connects it to.
func withUnspecified(ranges []netip.Prefix) []netip.Prefix {
	out := ranges[:len(ranges):len(ranges)]
	for _, p := range ranges {
		if p.Addr().Is4() && p.Contains(netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
			out = append(out, netip.PrefixFrom(netip.IPv4Unspecified(), 32))
		}
		if p.Addr().Is6() && p.Contains(netip.IPv6Loopback()) {
			out = append(out, netip.PrefixFrom(netip.IPv6Unspecified(), 128))
		}
	}
	return out
}

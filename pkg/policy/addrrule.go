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
		if first {
			ranges, first = more, false
			return
		}
		var both []netip.Prefix
		for _, a := range ranges {
			for _, b := range more {
				switch {
				case !a.Overlaps(b):
				case a.Bits() >= b.Bits():
					both = append(both, a)
				default:
					both = append(both, b)
				}
			}
		}
		ranges = both
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

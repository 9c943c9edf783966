package netpol

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// segment is a set of ports on which the same addresses are denied.
type segment struct {
	ports  []Port // nil: all
	denied []netip.Prefix
}

// segments cuts the ports of an allow where denies before it begin and end.
// Ports on which everything is denied are left out.
func (g *generator) segments(r policy.Reach) []segment {
	var out []segment
	whole := r.Ports == nil && r.Protocols == nil
	add := func(ports Port, denied []netip.Prefix) {
		i := slices.IndexFunc(out, func(s segment) bool { return slices.Equal(s.denied, denied) })
		if i < 0 {
			out = append(out, segment{denied: denied})
			i = len(out) - 1
		}
		last := len(out[i].ports) - 1
		if last >= 0 && out[i].ports[last].Protocol == ports.Protocol && out[i].ports[last].High+1 == ports.Low {
			out[i].ports[last].High = ports.High
			return
		}
		out[i].ports = append(out[i].ports, ports)
	}
	for _, proto := range g.protocols {
		if r.Protocols != nil && !slices.Contains(r.Protocols, proto) {
			continue
		}
		for _, low := range g.starts(r, proto) {
			denied, all := g.deniedAt(proto, low.Low)
			if all {
				whole = false
				continue
			}
			add(Port{protocolName(proto), low.Low, low.High}, denied)
		}
	}
	if whole && len(out) == 1 {
		out[0].ports = nil
	}
	for i := range out {
		for j, p := range out[i].ports {
			if p.Low == 1 && p.High == 65535 {
				out[i].ports[j].Low, out[i].ports[j].High = 0, 0
			}
		}
	}
	return out
}

// starts returns the ranges of ports of an allow, cut at the edges of denies.
func (g *generator) starts(r policy.Reach, proto uint8) []policy.PortRange {
	ranges := slices.Clone(r.Ports)
	if r.Ports == nil {
		ranges = []policy.PortRange{{Low: 1, High: 65535}}
	}
	cuts := map[int]bool{}
	for _, p := range ranges {
		cuts[int(p.Low)], cuts[int(p.High)+1] = true, true
	}
	for _, d := range g.denied {
		if d.Protocols != nil && !slices.Contains(d.Protocols, proto) {
			continue
		}
		for _, p := range d.Ports {
			cuts[int(p.Low)], cuts[int(p.High)+1] = true, true
		}
	}
	var edges []int
	for c := range cuts {
		edges = append(edges, c)
	}
	slices.Sort(edges)
	var out []policy.PortRange
	for i := 0; i+1 < len(edges); i++ {
		low, high := uint16(edges[i]), uint16(edges[i+1]-1)
		if slices.ContainsFunc(ranges, func(p policy.PortRange) bool { return p.Low <= low && high <= p.High }) {
			out = append(out, policy.PortRange{Low: low, High: high})
		}
	}
	return out
}

// deniedAt returns the addresses that are denied on a port; all means every one.
func (g *generator) deniedAt(proto uint8, port uint16) (ranges []netip.Prefix, all bool) {
	for _, d := range g.denied {
		if d.Protocols != nil && !slices.Contains(d.Protocols, proto) {
			continue
		}
		if d.Ports != nil && !slices.ContainsFunc(d.Ports, func(p policy.PortRange) bool { return p.Low <= port && port <= p.High }) {
			continue
		}
		if d.Anywhere {
			return nil, true
		}
		ranges = append(ranges, d.Ranges...)
	}
	return widest(ranges), false
}

// without takes denied ranges, and metadata addresses that it does not name,
// out of a block. It reports whether anything is left.
func without(block netip.Prefix, denied []netip.Prefix) (Peer, bool) {
	if !policy.NamesAddress(block) {
		denied = widest(append(slices.Clone(denied), policy.MetadataAddresses()...))
	}
	p := Peer{Block: block}
	for _, d := range denied {
		switch {
		case !d.Overlaps(block):
		case d.Bits() <= block.Bits():
			return p, false
		default:
			p.Except = append(p.Except, d)
		}
	}
	return p, true
}

// distinct is widest, but keeps what names a metadata address: the range around
// it does not open that.
func distinct(blocks []netip.Prefix) []netip.Prefix {
	names := func(b netip.Prefix) bool {
		return policy.NamesAddress(b) && slices.ContainsFunc(policy.MetadataAddresses(), b.Overlaps)
	}
	var rest, out []netip.Prefix
	for _, b := range blocks {
		if !names(b) {
			rest = append(rest, b)
		} else if !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	return append(widest(rest), out...)
}

// widest sorts ranges and drops those that lie in others.
func widest(ranges []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(a.Bits(), b.Bits()), a.Addr().Compare(b.Addr()))
	})
	var out []netip.Prefix
	for _, r := range sorted {
		if !slices.ContainsFunc(out, r.Overlaps) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return out
}

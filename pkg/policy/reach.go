package policy

import (
	"net/netip"
	"slices"
)

// Reach is what a network rule is about, for tools that write it in another
// form. A rule whose fields are there but empty is about nothing.
type Reach struct {
	Ranges    []netip.Prefix // by address
	Anywhere  bool           // the address is not restricted
	ByName    bool           // addresses that are bound to a name, within Named
	Named     []netip.Prefix // the ranges that hold such addresses; nil: any
	Ports     []PortRange    // nil: every port
	Protocols []uint8        // nil: every protocol
	OnlyExe   bool           // only for processes that run some executable
}

// Reach returns what the rule is about on the network.
func (r *Rule) Reach() Reach {
	out := Reach{OnlyExe: r.Exe != nil}
	if r.hasPorts && len(r.Ports) == 0 || r.hasProtocols && len(r.Protocols) == 0 || r.hasCIDRs && len(r.CIDRs) == 0 {
		return out
	}
	out.Ports, out.Protocols = r.Ports, r.Protocols
	out.Ranges, out.Anywhere = addrRanges(r)
	if r.Host != nil {
		out.ByName = !slices.ContainsFunc(r.Host.Conditions, func(c Condition) bool { return len(c.hosts) == 0 })
		if r.hasCIDRs {
			out.Named = r.CIDRs
		}
	}
	return out
}

// MetadataAddresses returns the addresses where clouds hand out credentials of
// the node. Only a rule that names one, by itself or by a range that
// NamesAddress accepts, opens it.
func MetadataAddresses() []netip.Prefix { return slices.Clone(metadataAddresses) }

// NamesAddress reports whether a range is narrow enough to name the addresses
// in it.
func NamesAddress(p netip.Prefix) bool { return namesAddress(p) }

package policy

import "net/netip"

// metadataAddresses are where clouds hand out credentials of the node. They
// need a rule that names them.
var metadataAddresses = parsePrefixes(
	"169.254.169.254/32",  // AWS, GCP, Azure, Oracle, DigitalOcean, Hetzner, IBM, OpenStack
	"fd00:ec2::254/128",   // AWS over IPv6
	"169.254.170.2/32",    // AWS ECS task credentials
	"169.254.170.23/32",   // AWS EKS Pod Identity
	"fd00:ec2::23/128",    // AWS EKS Pod Identity over IPv6
	"fd20:ce::254/128",    // GCP over IPv6
	"fe80::a9fe:a9fe/128", // OpenStack over IPv6
	"168.63.129.16/32",    // Azure wire server (also its DNS: name it to use it directly)
	"100.100.100.200/32",  // Alibaba Cloud
	"192.0.0.192/32",      // Oracle Cloud, classic
	"169.254.0.23/32",     // Tencent Cloud
	"169.254.42.42/32",    // Scaleway
	"fd00:42::42/128",     // Scaleway over IPv6
)

// loopbackAddresses lead back to the own network namespace. Linux takes a
// connection to the unspecified address as one to loopback.
var loopbackAddresses = parsePrefixes("127.0.0.0/8", "0.0.0.0/32", "::1/128", "::/128")

func parsePrefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

// namesAddress reports whether a range is narrow enough to name the addresses
// in it, as the metadata addresses need.
func namesAddress(p netip.Prefix) bool {
	if p.Addr().Is4() {
		return p.Bits() >= 30
	}
	return p.Bits() >= 126
}

// Bindable reports whether an answer of a name server can bind an address to a
// name: not if it is of loopback, of the link, of a group, or none at all. Those of
// the node are not known here; the kernel refuses them as well.
func Bindable(a netip.Addr) bool {
	a = a.Unmap()
	if a.Is4() {
		first := a.As4()[0]
		return first != 0 && first != 127 && first < 224 && !a.IsLinkLocalUnicast()
	}
	low := netip.MustParsePrefix("::/64") // unspecified, loopback, and forms of IPv4 addresses that are none
	return !low.Contains(a) && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

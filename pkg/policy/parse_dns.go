package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxDNSTypes is how many query types the tables have room for.
const maxDNSTypes = 16

// dnsTypes are the query types that have a name here; every other one is
// written as a number.
var dnsTypes = map[string]uint16{
	"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "LOC": 29,
	"SRV": 33, "NAPTR": 35, "DNAME": 39, "DS": 43, "SSHFP": 44, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50, "TLSA": 52,
	"SMIMEA": 53, "OPENPGPKEY": 61, "SVCB": 64, "HTTPS": 65, "SPF": 99, "IXFR": 251, "AXFR": 252, "ANY": 255, "URI": 256, "CAA": 257,
}

func (p *parser) dns(d *DNS, n *ynode) {
	p.fields(n, "dns", []field{
		{"types", func(n *ynode) { d.Types = p.dnsTypes(n) }},
		{"tcp", func(n *ynode) {
			s, _ := p.choice(n, "dns.tcp", "allow", "deny")
			d.TCP = s == "allow"
		}},
		{"maxLabel", func(n *ynode) { d.MaxLabel = uint8(p.number(n, "dns.maxLabel", 1, 63, "a label has at most 63 bytes")) }},
		{"rate", func(n *ynode) {
			d.Rate = uint32(p.number(n, "dns.rate", 1, 1_000_000, "queries a minute; leave it out for no cap"))
		}},
	})
}

// number reads a whole number within bounds.
func (p *parser) number(n *ynode, what string, low, high uint64, hint string) uint64 {
	v, ok := decimal(n.text, low, high)
	if n.kind != yScalar || n.tag != "!!int" || !ok {
		p.fail(n, fmt.Sprintf("%s must be a number from %d to %d, not %s", what, low, high, describe(n)), hint)
		return 0
	}
	return v
}

// dnsTypes reads a query type or a list of them, by name or number.
func (p *parser) dnsTypes(n *ynode) []uint16 {
	var out []uint16
	for _, item := range listItems(n) {
		if v, ok := decimal(item.text, 1, 65535); ok && item.kind == yScalar {
			out = append(out, uint16(v))
			continue
		}
		if item.kind == yScalar && item.tag == "!!null" && strings.EqualFold(item.text, "null") { // what YAML makes of the type's name
			out = append(out, dnsTypes["NULL"])
			continue
		}
		s, ok := p.word(item, "a query type")
		if !ok {
			continue
		}
		v, known := dnsTypes[strings.ToUpper(s)]
		if !known {
			p.fail(item, fmt.Sprintf("unknown query type %q", s), nearType(s))
			continue
		}
		out = append(out, v)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) > maxDNSTypes {
		p.fail(n, fmt.Sprintf("%d query types; a policy has at most %d", len(out), maxDNSTypes), "")
		return nil
	}
	return out
}

// nearType names a type that differs in one character; the short names have
// too many neighbours for more.
func nearType(word string) string {
	for _, name := range slices.Sorted(maps.Keys(dnsTypes)) {
		if len(name) > 2 && editDistance(strings.ToUpper(word), name) == 1 {
			return didYouMean(name)
		}
	}
	return "write a name such as TXT, or a number from 1 to 65535"
}

// DNSTypePTR asks for the name of an address.
const DNSTypePTR = 12

// DNSTypePasses reports whether queries of a type pass without being listed.
func DNSTypePasses(t uint16) bool {
	return slices.Contains([]string{"A", "AAAA", "CNAME", "HTTPS", "SVCB", "SRV", "PTR"}, DNSTypeName(t))
}

// DNSType returns a query type by its name or number.
func DNSType(text string) (uint16, error) {
	if v, ok := decimal(text, 1, 65535); ok {
		return uint16(v), nil
	}
	if v, ok := dnsTypes[strings.ToUpper(text)]; ok {
		return v, nil
	}
	return 0, fmt.Errorf("unknown query type %q; %s", text, nearType(text))
}

// DNSTypeName returns a query type's name, "TYPE" and its number for one that has
// none here, and nothing for 0.
func DNSTypeName(t uint16) string {
	if t == 0 {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(dnsTypes)) {
		if dnsTypes[name] == t {
			return name
		}
	}
	return fmt.Sprintf("TYPE%d", t)
}

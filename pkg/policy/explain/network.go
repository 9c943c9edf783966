package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// Port 53 is judged apart: docs/network.md.
const portDNS = 53

const (
	protoTCP = 6
	protoUDP = 17
)

// Network is what the kernel knows of a pod's network beside its policy.
type Network struct {
	Host      bool         // the pod shares the node's
	Resolvers []netip.Addr // its own, asked on port 53
	Search    []string     // its search domains
}

// Connection is one that is made, or with UDP a datagram that is sent.
type Connection struct {
	Addr     netip.Addr
	Protocol uint8 // 6 or 17
	Port     uint16
	Name     string // that the pod's resolvers have given the address, "" for none
}

// Connect answers about a connection.
func (q Question) Connect(n Network, c Connection, f policy.Facts) (Explanation, error) {
	var notes []string
	f.Name = nil
	switch {
	case c.Name == "":
	case !policy.Bindable(c.Addr):
		notes = append(notes, fmt.Sprintf("no answer binds %v to a name, whoever gives it", c.Addr))
	case c.Port == portDNS:
		notes = append(notes, "on port 53 rules by name do not hold: a server there is asked for any name")
	default:
		f.Name = policy.HostSubject(c.Name)
	}
	a := product.Action{Kind: policy.KindAddr, Subject: policy.AddrSubject(n.Host, c.Addr, c.Protocol, c.Port), Facts: f}
	if c.Port == portDNS && slices.Contains(n.Resolvers, c.Addr.Unmap()) {
		e := q.builtin(a, "builtin/resolver", c.Protocol == protoUDP || q.Policy.DNS.TCP)
		if e.Verdict.Allow && c.Protocol == protoUDP {
			e.Notes = append(notes, "each query is judged by the name that it asks for")
		} else if !e.Verdict.Allow {
			e.NoFix = "no rule changes it: over TCP nobody would see what is asked for; dns: {tcp: allow} lets it pass all the same"
		}
		return e, nil
	}
	e, err := q.Explain(a)
	if err != nil {
		return e, err
	}
	if other := e.Verdict; c.Port == portDNS && (other.Allow && !other.Matched || e.Rule.Name == "default") {
		passed := e.Passed
		fix, noFix := e.Fix, e.NoFix
		e = q.builtin(a, "builtin/resolver", false)
		e.Passed = passed
		if !other.Allow {
			e.Fix, e.NoFix = fix, noFix
		}
		notes = append(notes, "port 53 leads to the pod's own resolvers, and elsewhere by a rule that names the address or its range")
		if n.Resolvers == nil {
			notes = append(notes, "if the pod resolves by it, builtin/resolver allows it over UDP")
		}
	}
	if c.Protocol == protoUDP && !e.Verdict.Allow {
		if over := product.Ask(q.Tables, product.Action{Kind: a.Kind, Subject: policy.AddrSubject(n.Host, c.Addr, protoTCP, c.Port), Facts: f}); over.Allow && c.Port != portDNS {
			notes = append(notes, "a UDP socket may be connected there to learn the route, as TCP is allowed; it sends nothing")
		}
	}
	e.Notes = notes
	return e, nil
}

// builtin is what a built-in rule of the network says before or behind the tables.
func (q Question) builtin(a product.Action, name string, allow bool) Explanation {
	i := slices.IndexFunc(q.Tables.Rules, func(r policy.RuleInfo) bool { return r.Name == name })
	return Explanation{
		Action: a, Verdict: policy.Verdict{Rule: uint16(i), Allow: allow, Count: allow}, Rule: q.Tables.Rules[i],
		NoFix: "no rule changes it",
	}
}

// Resolve answers about a query, and whether an answer to it binds addresses to the name.
func (q Question) Resolve(n Network, name string, kind uint16, f policy.Facts) (e Explanation, binds bool, err error) {
	f.Name = nil
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	a := product.Action{Kind: policy.KindHost, Subject: policy.HostSubject(name), Facts: f}
	if note := q.refused(name, kind); note != "" {
		e = q.builtin(a, "builtin/dns", false)
		e.Notes = []string{note}
		return e, false, nil
	}
	if e, err = q.Explain(a); err != nil {
		return e, false, err
	}
	if q.Policy.DNS.Rate > 0 {
		e.Notes = append(e.Notes, fmt.Sprintf("at most %d queries a minute pass", q.Policy.DNS.Rate))
	}
	if e.Verdict.Allow {
		return e, true, nil
	}
	if kind == policy.DNSTypePTR {
		return q.reverse(n, name, e), false, nil
	}
	for _, t := range searched(name, n.Search) {
		short, err := q.Explain(product.Action{Kind: a.Kind, Subject: policy.HostSubject(t), Facts: f})
		if err != nil {
			return e, false, err
		}
		if short.Verdict.Allow {
			short.Action = a
			short.Notes = append(e.Notes, fmt.Sprintf("it is %s with a search domain behind it; its answer binds no address", t))
			return short, false, nil
		}
	}
	return e, q.Tables.Observe && !e.Verdict.Floor, nil
}

// refused says why a query is refused whatever its name, or nothing.
func (q Question) refused(name string, kind uint16) string {
	d := q.Policy.DNS
	if !policy.DNSTypePasses(kind) && !slices.Contains(d.Types, kind) {
		return fmt.Sprintf("queries of type %s do not pass; dns: {types: [%[1]s]} lets them", policy.DNSTypeName(kind))
	}
	for l := range strings.SplitSeq(name, ".") {
		if d.MaxLabel > 0 && len(l) > int(d.MaxLabel) {
			return fmt.Sprintf("its label %s has more than the %d bytes of dns.maxLabel", l, d.MaxLabel)
		}
	}
	return ""
}

// reverse is the verdict on the name of an address, which no rule allows as a name.
func (q Question) reverse(n Network, name string, e Explanation) Explanation {
	note := "the name of an address may be asked for if an answer gave the pod that address, or if it may connect there over TCP on any port"
	if addr, ok := reverseAddr(name); ok && product.Ask(q.Tables, product.Action{
		Kind: policy.KindAddr, Subject: policy.AddrSubject(false, addr, protoTCP, 0), Facts: e.Action.Facts,
	}).Allow {
		e = q.builtin(e.Action, "builtin/dns", true)
	}
	e.Notes = append(e.Notes, note)
	return e
}

// reverseAddr reads the name of an address below in-addr.arpa or ip6.arpa.
func reverseAddr(name string) (netip.Addr, bool) {
	if v4, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		parts := strings.Split(v4, ".")
		slices.Reverse(parts)
		a, err := netip.ParseAddr(strings.Join(parts, "."))
		return a, err == nil && a.Is4()
	}
	v6, ok := strings.CutSuffix(name, ".ip6.arpa")
	digits := strings.Split(v6, ".")
	if !ok || len(digits) != 32 {
		return netip.Addr{}, false
	}
	slices.Reverse(digits)
	text := ""
	for i, d := range digits {
		if i > 0 && i%4 == 0 {
			text += ":"
		}
		text += d
	}
	a, err := netip.ParseAddr(text)
	return a, err == nil && a.Is6()
}

// searchDomains is how many of a pod's search domains the kernel knows.
const searchDomains = 8

// searched lists the names that a resolver may look for when it asks for name:
// what is before one of the search domains, alone and in each of them.
func searched(name string, domains []string) (out []string) {
	var known []string
	for _, d := range domains {
		if d = strings.ToLower(strings.Trim(d, ".")); d != "" && len(known) < searchDomains {
			known = append(known, d)
		}
	}
	for _, d := range known {
		short, ok := strings.CutSuffix(name, "."+d)
		if !ok || short == "" {
			continue
		}
		out = append(out, short)
		for _, d := range known {
			if long := short + "." + d; len(long) <= 253 {
				out = append(out, long)
			}
		}
	}
	return out
}

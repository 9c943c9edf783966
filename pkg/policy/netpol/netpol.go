// Package netpol writes a Kubernetes NetworkPolicy that complements a policy:
// egress that the network enforces as well, from the same rules.
//
// It is never narrower than the policy, so that every connection that the agent
// allows passes, and otherwise as narrow as the API can say. The agent decides
// names, executables and the rest.
package netpol

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Options name the NetworkPolicy and the pods it is for.
type Options struct {
	Name, Namespace string
	Selector        map[string]string // labels of the pods
	// PodPeers also selects pods in rules by cidr, for network plugins whose
	// ipBlock never matches a pod, as Cilium's.
	PodPeers bool
}

// Policy is the NetworkPolicy.
type Policy struct {
	Options
	Egress []Rule
	Notes  []string // what it does not express
}

// Rule is one egress rule. Without ports it is for all of them.
type Rule struct {
	Why   string // the rule that it was made of
	To    []Peer
	Ports []Port
}

// Peer is a block of addresses, or pods where Pods is set.
type Peer struct {
	Block  netip.Prefix
	Except []netip.Prefix
	Pods   PodPeer
}

// PodPeer says which pods a peer selects.
type PodPeer uint8

// The pods that peers select.
const (
	NoPods PodPeer = iota
	AllPods
	ClusterDNS
)

// Port is a range of ports of a protocol; Low 0 means every port.
type Port struct {
	Protocol  string
	Low, High uint16
}

// Generate writes the complement of a policy under a floor, if any.
func Generate(p, floor *policy.Policy, o Options) (*Policy, error) {
	if p.Mode == "observe" {
		return nil, errors.New("mode: observe denies nothing, but a NetworkPolicy would; write it for the policy with mode: enforce")
	}
	if len(o.Selector) == 0 {
		return nil, errors.New("without labels the NetworkPolicy would be for every pod of the namespace")
	}
	g := generator{out: &Policy{Options: o}, protocols: []uint8{tcp, udp}}
	if slices.Contains(p.Builtin, "sctp") {
		g.protocols = append(g.protocols, sctp)
	}
	g.rules(p, floor)
	g.dns()
	g.notes()
	return g.out, nil
}

// IP protocol numbers.
const (
	tcp  = 6
	udp  = 17
	sctp = 132
)

func protocolName(p uint8) string { return map[uint8]string{tcp: "TCP", udp: "UDP", sctp: "SCTP"}[p] }

// generator goes through the rules in order and remembers the denies so far.
type generator struct {
	out       *Policy
	protocols []uint8
	denied    []policy.Reach
	resolves  bool // some name may be resolved
	names     bool // some rule is by name
	exes      bool // some rule is only for an executable
	hidden    []string
}

func (g *generator) rules(p, floor *policy.Policy) {
	var general *policy.Rule
	each := func(r *policy.Rule, what string, deny bool) {
		if !r.Actions.Has(policy.ActionNetwork) || !deny && r.Decision == policy.DecisionDeny {
			return
		}
		reach := r.Reach()
		if deny {
			g.deny(r, reach, what)
			return
		}
		g.allow(reach, what)
	}
	if floor != nil {
		for i := range floor.Rules {
			if r := &floor.Rules[i]; r.Decision == policy.DecisionDeny {
				each(r, "floor/"+name(r), true)
			}
		}
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.HasMatcher() {
			if general == nil && r.Actions.Has(policy.ActionNetwork) {
				general = r
			}
			continue
		}
		each(r, name(r), r.Decision == policy.DecisionDeny)
	}
	switch {
	case general != nil:
		each(general, name(general), general.Decision == policy.DecisionDeny)
	case p.DefaultAction != policy.DecisionDeny:
		g.allow(policy.Reach{Anywhere: true}, "defaultAction: allow")
	}
}

func name(r *policy.Rule) string {
	if r.ID != "" {
		return r.ID
	}
	return fmt.Sprintf("rules[%d]", r.Index)
}

// deny remembers what later allows do not have. What holds for some processes
// or by name only cannot be taken from all.
func (g *generator) deny(_ *policy.Rule, r policy.Reach, what string) {
	if r.OnlyExe || r.ByName {
		g.hidden = append(g.hidden, what)
	}
	if !r.OnlyExe {
		g.denied = append(g.denied, r)
	}
}

func (g *generator) allow(r policy.Reach, what string) {
	if r.OnlyExe {
		g.exes = true
	}
	everywhere := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	blocks, pods := r.Ranges, g.out.PodPeers
	switch {
	case r.Anywhere:
		blocks, pods = everywhere, true
		g.resolves = true
	case r.ByName:
		g.resolves, g.names = true, true
		named := r.Named
		if named == nil {
			named, pods = everywhere, true
		}
		blocks = append(slices.Clone(blocks), named...)
	}
	for _, s := range g.segments(r) {
		rule := Rule{Why: what, Ports: s.ports}
		for _, block := range distinct(blocks) {
			if peer, ok := without(block, s.denied); ok {
				rule.To = append(rule.To, peer)
			}
		}
		if len(rule.To) == 0 {
			continue
		}
		if pods {
			rule.To = append(rule.To, Peer{Pods: AllPods})
		}
		g.out.Egress = append(g.out.Egress, rule)
	}
}

// dns lets names be resolved: by the cluster's DNS, and by a resolver of the
// node on a link-local address.
func (g *generator) dns() {
	if !g.resolves {
		return
	}
	local, _ := without(netip.MustParsePrefix("169.254.0.0/16"), nil)
	rule := Rule{Why: "names are resolved", To: []Peer{{Pods: ClusterDNS}, local}, Ports: []Port{{"UDP", 53, 53}, {"TCP", 53, 53}}}
	g.out.Egress = append([]Rule{rule}, g.out.Egress...)
}

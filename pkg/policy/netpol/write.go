package netpol

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// notes says what the NetworkPolicy does not express.
func (g *generator) notes() {
	add := func(text string) { g.out.Notes = append(g.out.Notes, text) }
	add("It complements the node agent and replaces nothing: files, programs and records are no matter of a network.")
	if g.names {
		add("Host names: rules by name are egress to any address on their ports; the agent decides by name.")
	}
	if g.resolves {
		add("DNS: any name can be asked of the cluster's DNS; the agent decides which.")
	}
	if g.exes {
		add("Executables: what is allowed to one program is allowed here to the pod.")
	}
	if len(g.hidden) > 0 {
		add("Denies that hold by name or for one program only: " + strings.Join(g.hidden, ", ") + ".")
	}
	if slices.ContainsFunc(g.out.Egress, func(r Rule) bool { return slices.ContainsFunc(r.To, func(p Peer) bool { return p.Pods == AllPods }) }) {
		add("Pods are also selected as such, since some network plugins match no pod by its address.")
	} else if !g.out.PodPeers {
		add("Pods are matched by address; some network plugins, such as Cilium, need --pods for that.")
	}
	add("Loopback, ingress, and pods on the node's network: a NetworkPolicy does not gate them.")
}

// These types are networking.k8s.io/v1 as far as it is used here.
type (
	object struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Metadata   metadata `json:"metadata"`
		Spec       spec     `json:"spec"`
	}
	metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	spec struct {
		PodSelector selector   `json:"podSelector"`
		PolicyTypes []string   `json:"policyTypes"`
		Egress      []specRule `json:"egress"`
	}
	selector struct {
		MatchLabels map[string]string `json:"matchLabels,omitempty"`
	}
	specRule struct {
		To    []specPeer `json:"to"`
		Ports []specPort `json:"ports,omitempty"`
	}
	specPeer struct {
		IPBlock           *ipBlock  `json:"ipBlock,omitempty"`
		NamespaceSelector *selector `json:"namespaceSelector,omitempty"`
		PodSelector       *selector `json:"podSelector,omitempty"`
	}
	ipBlock struct {
		CIDR   string   `json:"cidr"`
		Except []string `json:"except,omitempty"`
	}
	specPort struct {
		Protocol string `json:"protocol"`
		Port     uint16 `json:"port,omitempty"`
		EndPort  uint16 `json:"endPort,omitempty"`
	}
)

// notesAnnotation holds the notes where comments cannot.
const notesAnnotation = "safeclaw.dev/not-expressed"

func (p *Policy) object() object {
	o := object{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Metadata: metadata{Name: p.Name, Namespace: p.Namespace}}
	o.Spec = spec{PodSelector: selector{p.Selector}, PolicyTypes: []string{"Egress"}, Egress: []specRule{}}
	for _, r := range p.Egress {
		var s specRule
		for _, peer := range r.To {
			s.To = append(s.To, peer.spec())
		}
		for _, port := range r.Ports {
			sp := specPort{Protocol: port.Protocol, Port: port.Low}
			if port.High != port.Low {
				sp.EndPort = port.High
			}
			s.Ports = append(s.Ports, sp)
		}
		o.Spec.Egress = append(o.Spec.Egress, s)
	}
	return o
}

func (p *Peer) spec() specPeer {
	switch p.Pods {
	case AllPods:
		return specPeer{NamespaceSelector: &selector{}}
	case ClusterDNS:
		return specPeer{
			NamespaceSelector: &selector{map[string]string{"kubernetes.io/metadata.name": "kube-system"}},
			PodSelector:       &selector{map[string]string{"k8s-app": "kube-dns"}},
		}
	}
	b := &ipBlock{CIDR: p.Block.String()}
	for _, e := range p.Except {
		b.Except = append(b.Except, e.String())
	}
	return specPeer{IPBlock: b}
}

// MarshalJSON writes the object as the API takes it, with the notes in an
// annotation.
func (p *Policy) MarshalJSON() ([]byte, error) {
	o := p.object()
	o.Metadata.Annotations = map[string]string{notesAnnotation: strings.Join(p.Notes, "\n")}
	return json.Marshal(o)
}

// YAML writes the manifest, with the notes and the rules that it was made of as
// comments.
func (p *Policy) YAML() []byte {
	var b strings.Builder
	b.WriteString("# Made by node-agent policy networkpolicy. What this does not express:\n")
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "# - %s\n", n)
	}
	o := p.object()
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %q\n", o.APIVersion, o.Kind, p.Name)
	if p.Namespace != "" {
		fmt.Fprintf(&b, "  namespace: %q\n", p.Namespace)
	}
	b.WriteString("spec:\n  podSelector:\n    matchLabels:\n")
	writeLabels(&b, "      ", p.Selector)
	b.WriteString("  policyTypes: [Egress]\n")
	if len(o.Spec.Egress) == 0 {
		b.WriteString("  egress: [] # nothing is allowed\n")
		return []byte(b.String())
	}
	b.WriteString("  egress:\n")
	for i, r := range o.Spec.Egress {
		fmt.Fprintf(&b, "    # %s\n    - to:\n", strings.Trim(fmt.Sprintf("%q", p.Egress[i].Why), `"`))
		for _, peer := range r.To {
			writePeer(&b, peer)
		}
		if len(r.Ports) > 0 {
			b.WriteString("      ports:\n")
		}
		for _, port := range r.Ports {
			fmt.Fprintf(&b, "        - protocol: %s\n", port.Protocol)
			if port.Port > 0 {
				fmt.Fprintf(&b, "          port: %d\n", port.Port)
			}
			if port.EndPort > 0 {
				fmt.Fprintf(&b, "          endPort: %d\n", port.EndPort)
			}
		}
	}
	return []byte(b.String())
}

func writePeer(b *strings.Builder, p specPeer) {
	switch {
	case p.IPBlock != nil:
		fmt.Fprintf(b, "        - ipBlock:\n            cidr: %q\n", p.IPBlock.CIDR)
		if len(p.IPBlock.Except) > 0 {
			b.WriteString("            except:\n")
		}
		for _, e := range p.IPBlock.Except {
			fmt.Fprintf(b, "              - %q\n", e)
		}
	case p.PodSelector != nil:
		b.WriteString("        - namespaceSelector:\n            matchLabels:\n")
		writeLabels(b, "              ", p.NamespaceSelector.MatchLabels)
		b.WriteString("          podSelector:\n            matchLabels:\n")
		writeLabels(b, "              ", p.PodSelector.MatchLabels)
	default:
		b.WriteString("        - namespaceSelector: {} # pods anywhere in the cluster\n")
	}
}

func writeLabels(b *strings.Builder, indent string, labels map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(b, "%s%q: %q\n", indent, k, labels[k])
	}
}

package netpol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

var labels = map[string]string{"app": "agent"}

func generate(t *testing.T, src string, o Options) *Policy {
	t.Helper()
	p, err := policy.Parse("p", []byte(src))
	if err != nil {
		t.Fatalf("%v in\n%s", err, src)
	}
	o.Name, o.Selector = "agent", labels
	np, err := Generate(p, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, np)
	return np
}

// valid holds what the API server checks, and that both forms say the same.
func valid(t *testing.T, np *Policy) {
	t.Helper()
	src, err := json.Marshal(np)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.DisallowUnknownFields()
	var o object
	if err := dec.Decode(&o); err != nil {
		t.Fatal(err)
	}
	if o.APIVersion != "networking.k8s.io/v1" || o.Kind != "NetworkPolicy" || o.Metadata.Name == "" || len(o.Spec.PodSelector.MatchLabels) == 0 || !cmp.Equal(o.Spec.PolicyTypes, []string{"Egress"}) {
		t.Errorf("%s", src)
	}
	for _, r := range o.Spec.Egress {
		if len(r.To) == 0 {
			t.Errorf("a rule to nobody is one to everybody: %s", src)
		}
		for _, peer := range r.To {
			if (peer.IPBlock == nil) == (peer.NamespaceSelector == nil) {
				t.Errorf("a peer is a block or a selector: %+v", peer)
			}
			if peer.IPBlock == nil {
				continue
			}
			block, err := netip.ParsePrefix(peer.IPBlock.CIDR)
			if err != nil || block != block.Masked() {
				t.Errorf("cidr %s: %v", peer.IPBlock.CIDR, err)
			}
			for _, e := range peer.IPBlock.Except {
				except, err := netip.ParsePrefix(e)
				if err != nil || except.Bits() <= block.Bits() || !block.Contains(except.Addr()) {
					t.Errorf("except %s is not strictly within %s", e, block)
				}
			}
		}
		for _, port := range r.Ports {
			if port.Protocol != "TCP" && port.Protocol != "UDP" && port.Protocol != "SCTP" || port.EndPort != 0 && (port.Port == 0 || port.EndPort < port.Port) {
				t.Errorf("%+v", port)
			}
		}
	}
	o.Metadata.Annotations = nil
	tree, err := policy.Tree("np.yaml", np.YAML())
	if err != nil {
		t.Fatalf("%v in\n%s", err, np.YAML())
	}
	fromYAML, err := json.Marshal(value(tree))
	if err != nil {
		t.Fatal(err)
	}
	var q object
	dec = json.NewDecoder(bytes.NewReader(fromYAML))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		t.Fatalf("%v in\n%s", err, np.YAML())
	}
	if d := cmp.Diff(o, q); d != "" {
		t.Errorf("JSON and YAML differ:\n%s", d)
	}
}

func value(n *policy.Node) any {
	switch n.Kind {
	case policy.Map:
		out := map[string]any{}
		for i, k := range n.Keys {
			out[k.Text] = value(n.Values[i])
		}
		return out
	case policy.List:
		out := []any{}
		for _, v := range n.Values {
			out = append(out, value(v))
		}
		return out
	}
	if i, err := strconv.Atoi(n.Text); err == nil && n.Tag == "!!int" {
		return i
	}
	return n.Text
}

// allows interprets the NetworkPolicy for an address that is no pod.
func (p *Policy) allows(a netip.Addr, proto uint8, port uint16) bool {
	for _, r := range p.Egress {
		onPort := len(r.Ports) == 0
		for _, q := range r.Ports {
			onPort = onPort || q.Protocol == protocolName(proto) && (q.Low == 0 || q.Low <= port && port <= q.High)
		}
		for _, peer := range r.To {
			in := peer.Pods == NoPods && peer.Block.Contains(a)
			for _, e := range peer.Except {
				in = in && !e.Contains(a)
			}
			if in && onPort {
				return true
			}
		}
	}
	return false
}

const head = "version: 1\nrules:\n"

func TestGenerate(t *testing.T) {
	np := generate(t, head+`
  - {id: no-private, action: network.request, cidr: [10.0.0.0/8, 192.168.0.0/16], port: 22, decision: deny}
  - {id: db, action: network.request, cidr: 10.1.0.0/16, port: [5432, "20-25"], protocol: tcp, decision: allow}
  - {id: model, action: network.request, host: {in: [api.openai.com]}, port: 443, decision: allow}
  - {id: files, action: file.read, path: /a, decision: allow}
`, Options{Namespace: "ai"})
	want := `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: "agent"
  namespace: "ai"
spec:
  podSelector:
    matchLabels:
      "app": "agent"
  policyTypes: [Egress]
  egress:
    # names are resolved
    - to:
        - namespaceSelector:
            matchLabels:
              "kubernetes.io/metadata.name": "kube-system"
          podSelector:
            matchLabels:
              "k8s-app": "kube-dns"
        - ipBlock:
            cidr: "169.254.0.0/16"
            except:
              - "169.254.0.23/32"
              - "169.254.42.42/32"
              - "169.254.169.254/32"
              - "169.254.170.2/32"
              - "169.254.170.23/32"
      ports:
        - protocol: UDP
          port: 53
        - protocol: TCP
          port: 53
    # db
    - to:
        - ipBlock:
            cidr: "10.1.0.0/16"
      ports:
        - protocol: TCP
          port: 20
          endPort: 21
        - protocol: TCP
          port: 23
          endPort: 25
        - protocol: TCP
          port: 5432
    # model
`
	_, got, _ := strings.Cut(string(np.YAML()), "\napi")
	if !strings.HasPrefix("api"+got, want) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(want, "api"+got))
	}
	notes := strings.Join(np.Notes, "\n")
	for _, word := range []string{"Host names", "DNS", "Loopback"} {
		if !strings.Contains(notes, word) {
			t.Errorf("no note about %s:\n%s", word, notes)
		}
	}
}

func TestCorners(t *testing.T) {
	addr := netip.MustParseAddr
	type probe struct {
		addr string
		port uint16
		want bool
	}
	for _, tt := range []struct {
		name, rules string
		probes      []probe
	}{
		{"nothing", "", []probe{{"1.1.1.1", 1, false}}},
		{"a wide range opens no metadata address", "- {action: network.request, cidr: 0.0.0.0/0, decision: allow}",
			[]probe{{"169.254.169.254", 80, false}, {"8.8.8.8", 1, true}, {"2001:db8::1", 1, false}}},
		{"a narrow one in it does", "- {action: network.request, cidr: [0.0.0.0/0, 169.254.169.254], decision: allow}",
			[]probe{{"169.254.169.254", 80, true}}},
		{"names, never metadata", "- {action: network.request, host: a.x, port: 443, decision: allow}",
			[]probe{{"1.1.1.1", 443, true}, {"2001:db8::1", 443, true}, {"1.1.1.1", 80, false}, {"169.254.169.254", 443, false}, {"fd00:ec2::254", 443, false}}},
		{"a name within a range", "- {action: network.request, host: a.x, cidr: 10.0.0.0/8, decision: allow}",
			[]probe{{"10.1.1.1", 443, true}, {"11.1.1.1", 443, false}}},
		{"what one program must not, others may", "- {action: network.request, cidr: 10.0.0.0/8, exe: /bin/x, decision: deny}\n- {action: network.request, cidr: 10.0.0.0/8, decision: allow}",
			[]probe{{"10.1.1.1", 1, true}}},
		{"a deny by name takes no address", "- {action: network.request, host: {in: [a.x, 10.0.0.1]}, decision: deny}\n- {action: network.request, cidr: 10.0.0.0/8, decision: allow}",
			[]probe{{"10.0.0.1", 1, false}, {"10.0.0.2", 1, true}}},
		{"an empty list is nothing", "- {action: network.request, port: [], decision: allow}\n- {action: network.request, cidr: 10.0.0.0/8, port: [], decision: deny}\n- {action: network.request, cidr: 10.0.0.0/8, decision: allow}",
			[]probe{{"1.1.1.1", 1, false}, {"10.0.0.1", 1, true}}},
		{"the default of the action", "- {action: network.request, decision: allow}\n- {action: network.request, cidr: 10.0.0.0/8, decision: deny}",
			[]probe{{"1.1.1.1", 1, true}, {"10.0.0.1", 1, false}}},
	} {
		np := generate(t, head+strings.ReplaceAll(tt.rules+"\n", "- {", "  - {")+map[bool]string{true: "  []\n"}[tt.rules == ""], Options{})
		for _, p := range tt.probes {
			if got := np.allows(addr(p.addr), tcp, p.port); got != p.want {
				t.Errorf("%s: %s:%d is %v\n%s", tt.name, p.addr, p.port, got, np.YAML())
			}
		}
	}
}

func TestRefusedAndOptions(t *testing.T) {
	parse := func(src string) *policy.Policy {
		p, err := policy.Parse("p", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := Generate(parse("version: 1\nmode: observe\n"), nil, Options{Name: "x", Selector: labels}); err == nil {
		t.Error("a policy that only observes is written as one that denies")
	}
	if _, err := Generate(parse("version: 1\n"), nil, Options{Name: "x"}); err == nil {
		t.Error("a NetworkPolicy for all pods")
	}
	floor, err := policy.ParseFloor("f", []byte(head+"  - {action: network.request, cidr: 10.0.0.0/9, decision: deny}\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := parse(head + "  - {action: network.request, cidr: 10.0.0.0/8, decision: allow}\n")
	np, err := Generate(p, floor, Options{Name: "x", Selector: labels, PodPeers: true})
	if err != nil {
		t.Fatal(err)
	}
	valid(t, np)
	if np.allows(netip.MustParseAddr("10.0.0.1"), tcp, 1) || !np.allows(netip.MustParseAddr("10.200.0.1"), tcp, 1) {
		t.Errorf("the floor is not held:\n%s", np.YAML())
	}
	if last := np.Egress[0].To[len(np.Egress[0].To)-1]; last.Pods != AllPods {
		t.Errorf("no pods:\n%s", np.YAML())
	}
}

// TestAgrees compares NetworkPolicies of random rules with the tables: what the
// tables allow to some program or for some name passes, and, where no rule is by
// name or executable, nothing else does.
func TestAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	cidrs := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.1.1", "169.254.0.0/16", "169.254.169.254/31", "0.0.0.0/0", "'::/0'", "'fd00::/8'", "'fd00:ec2::254'"}
	addrs := []string{"10.0.0.1", "10.1.0.1", "10.1.1.0", "10.1.1.1", "10.1.1.2", "11.0.0.1", "169.254.169.254", "169.254.169.255", "169.254.1.1", "2001:db8::1", "fd00::1", "fd00:ec2::254", "fd00:ec2::23"}
	allowed := 0
	for range 400 {
		src, inexact := head, false // inexact: a rule by name or by executable
		for range 1 + r.IntN(6) {
			src += "  - {action: network.request, decision: " + pick("allow", "allow", "deny", "audit")
			if n := r.IntN(3); n > 0 {
				src += ", cidr: [" + pick(cidrs...)
				if n > 1 {
					src += ", " + pick(cidrs...)
				}
				src += "]"
			}
			switch r.IntN(8) {
			case 0:
				src += ", host: {in: [a.x, " + pick("b.x", "10.1.1.1") + "]}"
				inexact = true
			case 2:
				src += ", exe: /bin/x"
				inexact = true
			case 1:
				src += ", host: {in: [10.1.1.1, 169.254.169.254]}"
			}
			if r.IntN(2) == 0 {
				src += ", port: " + pick("443", `"20-1000"`, "[22, 443]", `"1-65535"`, "[]", "[443, 444]")
			}
			if r.IntN(3) == 0 {
				src += ", protocol: " + pick("tcp", "udp", "[tcp, udp]")
			}
			src += "}\n"
		}
		if r.IntN(4) == 0 {
			src = "defaultAction: allow\n" + src
		}
		p, err := policy.Parse("p", []byte(src))
		if err != nil {
			t.Fatalf("%v in\n%s", err, src)
		}
		tables, err := policy.Compile(p, policy.Options{DefaultBaseline: "none"})
		if err != nil {
			t.Fatal(err)
		}
		np, err := Generate(p, nil, Options{Name: "x", Selector: labels})
		if err != nil {
			t.Fatal(err)
		}
		valid(t, np)
		np.Egress = withoutDNS(np.Egress)
		for _, a := range addrs {
			for _, port := range []uint16{1, 19, 20, 22, 442, 443, 444, 445, 1000, 1001, 65535} {
				for _, proto := range []uint8{tcp, udp} {
					addr := netip.MustParseAddr(a)
					subject := policy.AddrSubject(false, addr, proto, port)
					want := false
					for _, c := range classes(tables) {
						want = want || tables.MatchIn(policy.KindAddr, subject, c).Allow
					}
					got := np.allows(addr, proto, port)
					if want {
						allowed++
					}
					if want && !got || !inexact && got != want {
						t.Fatalf("%s:%d/%d: the tables say %v, the NetworkPolicy %v\n%s%s", a, port, proto, want, got, src, np.YAML())
					}
				}
			}
		}
	}
	if allowed < 10_000 {
		t.Errorf("only %d allowed connections", allowed)
	}
}

// classes are all that a verdict may depend on beside the address: bound to the
// name or not, by the executable or another.
func classes(t *policy.Tables) (out []policy.Classes) {
	for _, name := range []string{"a.x", "c.x"} {
		for _, exe := range []string{"/bin/x", "/bin/y"} {
			out = append(out, policy.Classes{
				Name: t.Classify(policy.KindName, policy.HostSubject(name)),
				Exe:  t.Classify(policy.KindExe, policy.PathSubject(false, exe)),
			})
		}
	}
	return out
}

func withoutDNS(rules []Rule) []Rule {
	if len(rules) > 0 && rules[0].To[0].Pods == ClusterDNS {
		return rules[1:]
	}
	return rules
}

func ExampleGenerate() {
	p, _ := policy.Parse("p", []byte(head+"  - {action: network.request, cidr: 10.0.0.0/8, port: 443, protocol: tcp, decision: allow}\n"))
	np, _ := Generate(p, nil, Options{Name: "agent", Selector: labels})
	_, egress, _ := strings.Cut(string(np.YAML()), "egress:\n")
	fmt.Print(egress)
	// Output:
	//     # rules[0]
	//     - to:
	//         - ipBlock:
	//             cidr: "10.0.0.0/8"
	//       ports:
	//         - protocol: TCP
	//           port: 443
}

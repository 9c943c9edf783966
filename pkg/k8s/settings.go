package k8s

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Settings are the operator's, from the ConfigMap SettingsName. The zero value
// is not valid: see DefaultSettings.
type Settings struct {
	// Enforcement is "enforce", "observe" or "off".
	Enforcement string
	// OptOut says that who may change a pod's label may loosen what gates it.
	OptOut bool
	// AllowedRelaxations are the built-in denials that policies may relax.
	AllowedRelaxations []string
	// ExemptContainers are those that a pod may exempt.
	ExemptContainers []Exemption
	// Require gates pods whether they ask or not; the first that matches counts.
	Require []Requirement
	// Resolvers are the servers that pods may ask for names; none: those that the
	// kubelet gives to pods. SearchDomains come behind the pod's own.
	Resolvers     []netip.Addr
	SearchDomains []string
}

// Exemption is a container that pods may take out of their gate.
type Exemption struct {
	Name  string
	Image string // what its image begins with; "": any, and then not in pods that are required to be gated
}

// Requirement is an entry of `require`.
type Requirement struct {
	Namespaces labels.Selector // nil: all
	Pods       labels.Selector // nil: all
	Policy     string          // a ConfigMap in the agent's namespace; "": the pod's own, and without one nothing is allowed
	id         string          // what was written
}

// maxResolvers is how many a pod can have in the kernel.
const maxResolvers = 16

// DefaultSettings are in force where there is no such ConfigMap.
func DefaultSettings() *Settings {
	return &Settings{Enforcement: "enforce", AllowedRelaxations: policy.DefaultRelaxations()}
}

// ParseSettings reads settings as strictly as policies are read. The error is a
// policy.ErrorList.
func ParseSettings(name string, src []byte) (*Settings, error) {
	root, err := policy.Tree(name, src)
	if err != nil {
		return nil, err
	}
	r := &settingsReader{name: name}
	s := DefaultSettings()
	r.version(root)
	r.fields(root, map[string]func(*policy.Node){
		"version":     func(*policy.Node) {},
		"enforcement": func(n *policy.Node) { s.Enforcement = r.word(n, "enforce", "observe", "off") },
		"optOut":      func(n *policy.Node) { s.OptOut = r.word(n, "deny", "allow") == "allow" },
		"allowedRelaxations": func(n *policy.Node) {
			s.AllowedRelaxations = []string{}
			r.items(n, func(n *policy.Node) {
				v := r.text(n)
				if err := policy.CheckRelaxations([]string{v}); err != nil {
					r.fail(n, v, err.Error(), "")
				}
				s.AllowedRelaxations = append(s.AllowedRelaxations, v)
			})
		},
		"exemptContainers": func(n *policy.Node) {
			r.items(n, func(n *policy.Node) {
				var e Exemption
				r.fields(n, map[string]func(*policy.Node){
					"name":  func(n *policy.Node) { e.Name = r.text(n) },
					"image": func(n *policy.Node) { e.Image = r.text(n) },
				})
				if e.Name == "" {
					r.fail(n, "", "an exemption without a name", "write name: CONTAINER")
				}
				s.ExemptContainers = append(s.ExemptContainers, e)
			})
		},
		"resolvers": func(n *policy.Node) {
			r.items(n, func(n *policy.Node) { s.Resolvers = append(s.Resolvers, r.address(n)) })
			if len(s.Resolvers) > maxResolvers {
				r.fail(n, "", fmt.Sprintf("%d resolvers; at most %d", len(s.Resolvers), maxResolvers), "")
			}
		},
		"searchDomains": func(n *policy.Node) {
			r.items(n, func(n *policy.Node) { s.SearchDomains = append(s.SearchDomains, r.domain(n)) })
		},
		"require": func(n *policy.Node) {
			r.items(n, func(n *policy.Node) { s.Require = append(s.Require, r.requirement(n)) })
		},
	})
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	return s, nil
}

// settingsReader collects what is wrong.
type settingsReader struct {
	name string
	errs policy.ErrorList
}

func (r *settingsReader) fail(n *policy.Node, word, msg, hint string) {
	e := &policy.Error{File: r.name, Line: 1, Col: 1, Word: word, Msg: msg, Hint: hint}
	if n != nil {
		e.Line, e.Col = n.Line, n.Col
	}
	r.errs = append(r.errs, e)
}

func (r *settingsReader) version(root *policy.Node) {
	n := root.Get("version")
	if n == nil {
		r.fail(root, "", "no version", "begin with version: 1")
	} else if n.Kind != policy.Scalar || n.Text != "1" {
		r.fail(n, n.Text, "this agent reads version 1", "")
	}
}

// fields calls for each key of a map what reads its value.
func (r *settingsReader) fields(n *policy.Node, known map[string]func(*policy.Node)) {
	if n.Kind != policy.Map {
		r.fail(n, n.Text, fmt.Sprintf("%s where a map is expected", n.Describe()), "")
		return
	}
	for i, k := range n.Keys {
		read, ok := known[k.Text]
		if !ok {
			var names []string
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			r.fail(k, k.Text, fmt.Sprintf("unknown field %q", k.Text), policy.Suggest(k.Text, names))
			continue
		}
		read(n.Values[i])
	}
}

func (r *settingsReader) items(n *policy.Node, read func(*policy.Node)) {
	if n.Kind != policy.List {
		r.fail(n, n.Text, fmt.Sprintf("%s where a list is expected", n.Describe()), "")
		return
	}
	for _, v := range n.Values {
		read(v)
	}
}

func (r *settingsReader) text(n *policy.Node) string {
	if n.Kind != policy.Scalar || n.Tag != "!!str" {
		r.fail(n, n.Text, fmt.Sprintf("%s where a text is expected", n.Describe()), "")
		return ""
	}
	return n.Text
}

func (r *settingsReader) address(n *policy.Node) netip.Addr {
	t := r.text(n)
	a, err := netip.ParseAddr(t)
	if t != "" && (err != nil || a.Zone() != "") {
		r.fail(n, t, fmt.Sprintf("%q is no address", t), "write such as 10.96.0.10")
	}
	return a.Unmap()
}

func (r *settingsReader) domain(n *policy.Node) string {
	t := r.text(n)
	if err := policy.CheckHostName(t); t != "" && err != nil {
		r.fail(n, t, err.Error(), "write such as corp.example")
	}
	return t
}

func (r *settingsReader) word(n *policy.Node, known ...string) string {
	if n.Kind == policy.Scalar && slices.Contains(known, n.Text) {
		return n.Text
	}
	r.fail(n, n.Text, fmt.Sprintf("unknown value %q", n.Text), policy.Suggest(n.Text, known))
	return known[0]
}

func (r *settingsReader) requirement(n *policy.Node) Requirement {
	var q Requirement
	var nsText, podText string
	selector := func(text *string, to *labels.Selector) func(*policy.Node) {
		return func(n *policy.Node) {
			*text = r.text(n)
			s, err := labels.Parse(*text)
			if err != nil {
				r.fail(n, *text, "not a label selector: "+err.Error(), "write it as kubectl -l takes it")
				return
			}
			*to = s
		}
	}
	r.fields(n, map[string]func(*policy.Node){
		"namespaceSelector": selector(&nsText, &q.Namespaces),
		"podSelector":       selector(&podText, &q.Pods),
		"policy":            func(n *policy.Node) { q.Policy = r.text(n) },
	})
	if n.Kind == policy.Map && n.Get("namespaceSelector") == nil && n.Get("podSelector") == nil {
		r.fail(n, "", "an entry without a selector would match every pod of the node", `write podSelector: "" if that is meant`)
	}
	h := sha256.Sum256([]byte(strings.Join([]string{nsText, podText, q.Policy}, "\x00")))
	q.id = hex.EncodeToString(h[:8])
	return q
}

// asksNamespaces reports whether labels of namespaces matter.
func (s *Settings) asksNamespaces() bool {
	return slices.ContainsFunc(s.Require, func(q Requirement) bool { return q.Namespaces != nil })
}

// errNamespaceUnknown says that a requirement cannot be decided yet.
var errNamespaceUnknown = errors.New("labels of the namespace are not known yet")

// required returns the first entry that a pod matches, or nil. namespace holds
// the labels of the pod's, nil where they are not known.
func (s *Settings) required(pod, namespace labels.Set) (*Requirement, error) {
	for i := range s.Require {
		q := &s.Require[i]
		if q.Pods != nil && !q.Pods.Matches(pod) {
			continue
		}
		if q.Namespaces != nil {
			if namespace == nil {
				return nil, errNamespaceUnknown
			}
			if !q.Namespaces.Matches(namespace) {
				continue
			}
		}
		return q, nil
	}
	return nil, nil
}

// entry returns the entry that was written so.
func (s *Settings) entry(id string) *Requirement {
	for i := range s.Require {
		if s.Require[i].id == id {
			return &s.Require[i]
		}
	}
	return nil
}

// exempts reports whether a pod may exempt a container.
func (s *Settings) exempts(c Container, required bool) bool {
	return slices.ContainsFunc(s.ExemptContainers, func(e Exemption) bool {
		if e.Image == "" {
			return e.Name == c.Name && !required
		}
		return e.Name == c.Name && strings.HasPrefix(c.Image, e.Image)
	})
}

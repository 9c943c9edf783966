package policy

import "fmt"

// Node is a value of a YAML document, for readers of documents that are no
// policies: test cases, other dialects.
type Node struct {
	Kind      NodeKind
	Line, Col int     // from 1, in the file
	Text      string  // of a scalar
	Tag       string  // of a scalar: "!!str", "!!int", "!!bool", "!!null", ...
	Keys      []*Node // of a map
	Values    []*Node // of a map, by key, or the items of a list
}

// NodeKind is the shape of a Node.
type NodeKind uint8

// The kinds of nodes.
const (
	Scalar NodeKind = iota
	Map
	List
)

// Get returns the value of a key of a map, or nil.
func (n *Node) Get(key string) *Node {
	for i, k := range n.Keys {
		if k.Text == key {
			return n.Values[i]
		}
	}
	return nil
}

// Describe says what the node is, for messages.
func (n *Node) Describe() string {
	switch {
	case n.Kind == Map:
		return "a map"
	case n.Kind == List:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	case n.Tag == "!!str":
		return fmt.Sprintf("%q", n.Text)
	}
	return n.Text
}

// Tree reads one YAML document as strictly as Parse does (no duplicate keys,
// anchors or tags; bounds on size and nesting), but whatever its fields are. Of
// a ConfigMap that holds a policy it returns the policy's tree. The error is an
// ErrorList.
func Tree(name string, src []byte) (*Node, error) {
	p := newParser(name, nil)
	root := p.tree(src)
	if len(p.errs) > 0 {
		p.errs.sort()
		return nil, p.errs
	}
	return root, nil
}

func (p *parser) tree(src []byte) *Node {
	if !p.fits(src) {
		return nil
	}
	root := decodeYAML(src, p.report)
	if root == nil {
		return nil
	}
	if isConfigMap(root) {
		inner, at, ok := embeddedPolicy(root, src, p.report)
		if !ok || !p.fits(inner) {
			return nil
		}
		p.at = at
		if root = decodeYAML(inner, p.report); root == nil {
			return nil
		}
	}
	return p.exported(root)
}

// exported copies a node, with its place in the file.
func (p *parser) exported(n *ynode) *Node {
	out := &Node{Kind: map[ykind]NodeKind{yScalar: Scalar, yMap: Map, ySeq: List}[n.kind], Text: n.text, Tag: n.tag}
	out.Line, out.Col = p.at.of(n.line, n.col)
	for _, k := range n.keys {
		out.Keys = append(out.Keys, p.exported(k))
	}
	for _, v := range n.vals {
		out.Values = append(out.Values, p.exported(v))
	}
	return out
}

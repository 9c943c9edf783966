package casefile

import (
	"fmt"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Parse reads a case file, as strictly as a policy is read. The error is a
// policy.ErrorList with everything that is wrong.
func Parse(name string, src []byte) (*File, error) {
	root, err := policy.Tree(name, src)
	if err != nil {
		return nil, err
	}
	r := reader{file: name, out: &File{}}
	r.top(root)
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	return r.out, nil
}

type reader struct {
	file string
	out  *File
	errs policy.ErrorList
}

func (r *reader) fail(n *policy.Node, msg, hint string) {
	r.errs = append(r.errs, &policy.Error{File: r.file, Line: n.Line, Col: n.Col, Word: n.Text, Msg: msg, Hint: hint})
}

// field is a key of a map and what reads its value.
type field struct {
	name string
	read func(*policy.Node)
}

func (r *reader) fields(n *policy.Node, what string, known []field) bool {
	if n.Kind != policy.Map {
		r.fail(n, fmt.Sprintf("%s must be a map, not %s", what, n.Describe()), "")
		return false
	}
	var names []string
	for _, f := range known {
		names = append(names, f.name)
	}
	for i, key := range n.Keys {
		if j := slices.Index(names, key.Text); j >= 0 {
			known[j].read(n.Values[i])
		} else {
			r.fail(key, fmt.Sprintf("unknown field %q in %s", key.Text, what), policy.Suggest(key.Text, names))
		}
	}
	return true
}

func (r *reader) top(root *policy.Node) {
	ok := r.fields(root, "the case file", []field{
		{"policy", func(n *policy.Node) { r.out.Policy = r.text(n, "policy") }},
		{"floor", func(n *policy.Node) { r.out.Floor = r.text(n, "floor") }},
		{"baseline", func(n *policy.Node) { r.out.Baseline = r.choice(n, "baseline", "image", "runtime") }},
		{"cases", func(n *policy.Node) {
			if n.Kind != policy.List {
				r.fail(n, "cases must be a list, not "+n.Describe(), "")
				return
			}
			for _, item := range n.Values {
				r.oneCase(item)
			}
		}},
	})
	switch {
	case !ok:
	case root.Get("policy") == nil:
		r.fail(root, "policy is missing", "name the file of the policy, from where this file is")
	case root.Get("cases") == nil:
		r.fail(root, "cases is missing", "write cases: [...]")
	case len(r.out.Cases) == 0 && len(r.errs) == 0:
		r.fail(root, "there is no case", "")
	}
}

func (r *reader) text(n *policy.Node, what string) string {
	if n.Kind != policy.Scalar || n.Tag != "!!str" || n.Text == "" {
		hint := ""
		if n.Kind == policy.Scalar && n.Tag != "!!null" && n.Text != "" {
			hint = fmt.Sprintf("write it in quotes: %q", n.Text)
		}
		r.fail(n, fmt.Sprintf("%s must be a text, not %s", what, n.Describe()), hint)
		return ""
	}
	return n.Text
}

func (r *reader) choice(n *policy.Node, what string, words ...string) string {
	s := r.text(n, what)
	if s != "" && !slices.Contains(words, s) {
		r.fail(n, fmt.Sprintf("unknown %s %q", what, s), policy.Suggest(s, words))
		return ""
	}
	return s
}

func (r *reader) flag(n *policy.Node, what string) bool {
	if n.Tag != "!!bool" {
		r.fail(n, fmt.Sprintf("%s is true or false, not %s", what, n.Describe()), "")
	}
	return n.Text == "true"
}

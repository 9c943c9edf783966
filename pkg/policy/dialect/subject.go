package dialect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// writer writes the matchers of one rule.
type writer struct {
	im      *importer
	denies  bool
	actions []string
	fields  []entry // port, protocol, cidr
}

// condition is an operator with its values.
type condition struct {
	at      *policy.Node
	op      string // canonical, or regex
	word    string // as spelled
	foreign bool
	values  []string
	list    bool
}

// matchers writes what a rule is about, one field after the other.
func (w *writer) matchers(about []subject) ([]entry, error) {
	var out []entry
	for _, s := range about {
		field, err := w.field(s)
		if err != nil {
			return nil, err
		}
		conditions, err := conditionsOf(s)
		if err != nil {
			return nil, err
		}
		val, changed := s.val, s.foreign
		if changed = changed || slices.ContainsFunc(conditions, func(c condition) bool { return c.foreign }); changed {
			if val, err = w.matcher(field, conditions); err != nil {
				return nil, err
			}
			if s.key.Text != field || flow(s.val) != flow(val) {
				w.im.note(s.key, fmt.Sprintf("%s: %s is written %s: %s", s.key.Text, flow(s.val), field, flow(val)))
			}
		}
		i := slices.IndexFunc(out, func(e entry) bool { return e.name == field })
		if i < 0 {
			out = append(out, entry{field, val})
			continue
		}
		if out[i].val, err = both(s.key, out[i].val, val); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// field finds out what a subject is about.
func (w *writer) field(s subject) (string, error) {
	if s.field != anything {
		return s.field, nil
	}
	only := func(ok ...string) bool {
		return !slices.ContainsFunc(w.actions, func(a string) bool { return !slices.Contains(ok, a) })
	}
	values := textsOf(s.val)
	paths := !slices.ContainsFunc(values, func(v string) bool { return !strings.HasPrefix(strings.TrimPrefix(v, "^"), "/") })
	words := slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, " ") })
	switch {
	case only("file.read", "file.write", "file.delete", "file.*"):
		return "path", nil
	case only("network.request"):
		return "host", nil
	case only("process.exec") && (!paths || words):
		return "command", nil
	case only("file.read", "file.write", "file.delete", "file.*", "process.exec") && paths:
		return "path", nil
	}
	return "", refusal(s.key, fmt.Sprintf("%s is a path for some of these actions and something else for others: %s", s.key.Text, strings.Join(w.actions, ", ")),
		"write one rule for each kind of action")
}

func textsOf(n *policy.Node) []string {
	if n.Kind == policy.Scalar {
		return []string{n.Text}
	}
	var out []string
	for _, v := range n.Values {
		out = append(out, textsOf(v)...)
	}
	return out
}

// conditionsOf takes a matcher apart.
func conditionsOf(s subject) ([]condition, error) {
	one := func(at, val *policy.Node, op, word string, foreign bool) (condition, error) {
		c := condition{at: at, op: op, word: word, foreign: foreign, list: val.Kind == policy.List}
		items := []*policy.Node{val}
		if c.list {
			items = val.Values
		}
		for _, item := range items {
			if !isText(item) {
				return c, refusal(item, fmt.Sprintf("%s must be a text, not %s", word, item.Describe()), "")
			}
			c.values = append(c.values, item.Text)
		}
		return c, nil
	}
	if s.val.Kind != policy.Map {
		c, err := one(s.key, s.val, "glob", "glob", s.foreign || s.val.Kind == policy.List)
		return []condition{c}, err
	}
	var out []condition
	for i, key := range s.val.Keys {
		op, ok := canonical(operators, key.Text)
		if !ok {
			return nil, refusal(key, "unknown operator "+label(key), "known are "+spellings(operators))
		}
		c, err := one(key, s.val.Values[i], op, key.Text, s.foreign || op != key.Text || op == regex)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// matcher writes conditions in the canonical form.
func (w *writer) matcher(field string, conditions []condition) (*policy.Node, error) {
	out := &policy.Node{Kind: policy.Map}
	for _, c := range conditions {
		if c.op == regex {
			var err error
			if c, err = plainOf(c, w.denies, field == "host"); err != nil {
				return nil, err
			}
		}
		var err error
		switch {
		case field == "host" && c.foreign:
			c, err = w.host(c)
		case field == "command" && c.foreign:
			c, err = w.command(c)
		}
		if err != nil {
			return nil, err
		}
		val := c.value()
		if out.Get(c.op) != nil {
			return nil, refusal(c.at, "two conditions "+c.op+", of which both would have to hold", "")
		}
		out.Keys = append(out.Keys, text(c.op))
		out.Values = append(out.Values, val)
	}
	if len(out.Keys) == 1 && out.Keys[0].Text == "glob" && out.Values[0].Kind == policy.Scalar {
		return out.Values[0], nil
	}
	return out, nil
}

// value is a text where there is one, else a list; equals takes one text only.
func (c *condition) value() *policy.Node {
	if c.op == "equals" && len(c.values) != 1 {
		c.op = "in"
	}
	if c.op != "in" && len(c.values) == 1 {
		return text(c.values[0])
	}
	return listOf(c.values)
}

// both joins two matchers of one field, which must both hold.
func both(at, a, b *policy.Node) (*policy.Node, error) {
	out := &policy.Node{Kind: policy.Map}
	for _, m := range []*policy.Node{a, b} {
		if m.Kind != policy.Map {
			m = &policy.Node{Kind: policy.Map, Keys: []*policy.Node{text("glob")}, Values: []*policy.Node{m}}
		}
		for i, k := range m.Keys {
			if out.Get(k.Text) != nil {
				return nil, refusal(at, "two conditions "+k.Text+", of which both would have to hold", "")
			}
			out.Keys = append(out.Keys, k)
			out.Values = append(out.Values, m.Values[i])
		}
	}
	return out, nil
}

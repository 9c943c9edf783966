package dialect

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// maxAlternatives bounds what a nested condition multiplies to.
const maxAlternatives = 256

// predicate is {field, operator, value}.
type predicate struct {
	at    *policy.Node
	field string
	op    string
	val   *policy.Node
}

// conditions turns the condition of a rule into rules: one for each way in
// which it can hold.
func (im *importer) conditions(d *draft) ([][]entry, error) {
	ways, err := alternatives(d.condition, 0)
	if err != nil {
		return nil, err
	}
	switch {
	case len(ways) == 0:
		im.note(d.condition, "a condition that never holds: the rule is left out")
	case len(ways) > 1 && mergeTypes(&ways):
	case len(ways) > 1:
		im.note(d.condition, fmt.Sprintf("the condition holds in %d ways, each of which is a rule", len(ways)))
	}
	var out [][]entry
	for i, way := range ways {
		actions, about, err := im.way(d, way)
		if err != nil {
			return nil, err
		}
		fields, err := im.build(d, actions, about, i)
		if err != nil {
			return nil, err
		}
		out = append(out, fields)
	}
	return out, nil
}

// alternatives returns the lists of predicates of which one must hold whole.
func alternatives(n *policy.Node, depth int) ([][]predicate, error) {
	if n.Kind != policy.Map || depth > maxDepth {
		return nil, refusal(n, "a condition is {any: [...]}, {all: [...]} or {field, operator, value}, not "+n.Describe(), "")
	}
	if n.Get("field") != nil {
		p, err := onePredicate(n)
		return [][]predicate{{p}}, err
	}
	if len(n.Keys) != 1 || n.Keys[0].Text != "any" && n.Keys[0].Text != "all" || n.Values[0].Kind != policy.List {
		return nil, refusal(n, "a condition is {any: [...]}, {all: [...]} or {field, operator, value}", "")
	}
	all := n.Keys[0].Text == "all"
	if all && len(n.Values[0].Values) == 0 {
		return nil, refusal(n, "a condition of nothing: it may mean always or never", "leave the rule out, or name what it is about")
	}
	var out [][]predicate
	if all {
		out = [][]predicate{nil}
	}
	for _, part := range n.Values[0].Values {
		ways, err := alternatives(part, depth+1)
		if err != nil {
			return nil, err
		}
		if all {
			var product [][]predicate
			for _, a := range out {
				for _, b := range ways {
					product = append(product, append(slices.Clone(a), b...))
				}
			}
			out = product
		} else {
			out = append(out, ways...)
		}
		if len(out) > maxAlternatives {
			return nil, refusal(n, fmt.Sprintf("the condition holds in more than %d ways", maxAlternatives), "write several rules")
		}
	}
	return out, nil
}

func onePredicate(n *policy.Node) (predicate, error) {
	p := predicate{at: n, field: n.Get("field").Text, val: n.Get("value")}
	op := n.Get("operator")
	for _, key := range n.Keys {
		if key.Text != "field" && key.Text != "operator" && key.Text != "value" {
			return p, refusal(key, "unknown field "+label(key)+" in a condition", "")
		}
	}
	if op == nil || p.val == nil {
		return p, refusal(n, "a condition without operator or value", "")
	}
	word, ok := canonical(operators, op.Text)
	if !ok {
		return p, refusal(op, "unknown operator "+label(op), "known are "+spellings(operators))
	}
	if p.field != "action.type" && p.field != "action.resource" {
		return p, refusal(n.Get("field"), fmt.Sprintf("the kernel does not know %q", p.field), "it knows action.type and action.resource")
	}
	p.op = word
	return p, nil
}

// mergeTypes joins alternatives that are about the action alone.
func mergeTypes(ways *[][]predicate) bool {
	types := &policy.Node{Kind: policy.List}
	for _, way := range *ways {
		if len(way) != 1 || way[0].field != "action.type" || way[0].op != "equals" && way[0].op != "in" {
			return false
		}
		if types.Line == 0 {
			types.Line, types.Col = way[0].val.Line, way[0].val.Col
		}
		for _, v := range textsOf(way[0].val) {
			types.Values = append(types.Values, text(v))
		}
	}
	*ways = [][]predicate{{{at: (*ways)[0][0].at, field: "action.type", op: "in", val: types}}}
	return true
}

// way returns the actions and subjects of predicates that must all hold.
func (im *importer) way(d *draft, preds []predicate) (acts []string, about []subject, err error) {
	acts = expand(allActions)
	typed := false
	for _, p := range preds {
		if p.field == "action.type" {
			typed = true
			set, err := im.types(p)
			if err != nil {
				return nil, nil, err
			}
			acts = slices.DeleteFunc(acts, func(a string) bool { return !slices.Contains(set, a) })
			continue
		}
		val := p.val
		if p.op != "glob" || val.Kind != policy.Scalar {
			val = &policy.Node{Kind: policy.Map, Line: val.Line, Col: val.Col, Keys: []*policy.Node{{Text: p.at.Get("operator").Text, Tag: "!!str", Line: p.at.Line, Col: p.at.Col}}, Values: []*policy.Node{p.val}}
		}
		about = append(about, subject{&policy.Node{Text: p.field, Line: p.at.Line, Col: p.at.Col}, anything, true, val})
	}
	if len(acts) == 0 {
		return nil, nil, refusal(d.condition, "no action is of all these types", "")
	}
	if !typed && len(about) > 0 {
		acts = slices.DeleteFunc(acts, func(a string) bool { return a == "network.request" })
		im.note(d.condition, "a condition without action.type is taken as one on paths: file.* and process.exec")
	}
	return compact(acts), about, nil
}

// types returns the actions that a predicate on the type allows.
func (im *importer) types(p predicate) ([]string, error) {
	values := textsOf(p.val)
	if p.op == "equals" || p.op == "in" {
		set, err := im.actions(listAt(p.val, values))
		return expand(set), err
	}
	var set []string
	for _, action := range expand(allActions) {
		for _, word := range append([]string{action}, actions[action]...) {
			for _, v := range values {
				ok, err := matchWord(p.op, v, word)
				if err != nil {
					return nil, refusal(p.at, fmt.Sprintf("%q: %v", v, err), "name the actions")
				}
				if ok && !slices.Contains(set, action) {
					set = append(set, action)
				}
			}
		}
	}
	if len(set) == 0 {
		return nil, refusal(p.at, fmt.Sprintf("the kernel has no action that %s %s", p.op, flow(p.val)), "known are "+spellings(actions))
	}
	im.note(p.at, fmt.Sprintf("action.type %s %s is written %s", p.op, flow(p.val), strings.Join(compact(set), ", ")))
	return set, nil
}

func matchWord(op, v, word string) (bool, error) {
	switch op {
	case "startsWith":
		return strings.HasPrefix(word, v), nil
	case "endsWith":
		return strings.HasSuffix(word, v), nil
	case "contains":
		return strings.Contains(word, v), nil
	case "glob":
		return path.Match(v, word)
	}
	re, err := regexp.Compile(v)
	return err == nil && re.MatchString(word), err
}

func listAt(at *policy.Node, values []string) *policy.Node {
	out := listOf(values)
	for _, v := range append(out.Values, out) {
		v.Line, v.Col = at.Line, at.Col
	}
	return out
}

// expand writes file.* as three actions, compact the three as one.
func expand(set []string) (out []string) {
	for _, a := range set {
		if a == "file.*" {
			out = append(out, "file.read", "file.write", "file.delete")
		} else {
			out = append(out, a)
		}
	}
	return out
}

func compact(set []string) []string {
	out := slices.Clone(set)
	files := []string{"file.read", "file.write", "file.delete"}
	if !slices.ContainsFunc(files, func(f string) bool { return !slices.Contains(set, f) }) {
		out = slices.DeleteFunc(out, func(a string) bool { return slices.Contains(files, a) })
		out = append([]string{"file.*"}, out...)
	}
	return out
}

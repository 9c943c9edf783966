package dialect

import (
	"fmt"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func text(s string) *policy.Node    { return &policy.Node{Text: s, Tag: "!!str"} }
func number(s string) *policy.Node  { return &policy.Node{Text: s, Tag: "!!int"} }
func isText(n *policy.Node) bool    { return n.Kind == policy.Scalar && n.Tag == "!!str" }
func label(key *policy.Node) string { return fmt.Sprintf("%q", key.Text) }

func listOf(values []string) *policy.Node {
	out := &policy.Node{Kind: policy.List}
	for _, v := range values {
		out.Values = append(out.Values, text(v))
	}
	return out
}

// document reads the fields of the top level, also those that stand under
// "policy".
func (im *importer) document(root *policy.Node) {
	if root.Kind != policy.Map {
		im.refuse(root, "a policy is a map, not "+root.Describe(), "")
		return
	}
	im.fields = []entry{{"version", number("1")}}
	im.top(root)
	if !hasVersion(root) {
		im.note(root, "version: 1 is added")
	}
}

func hasVersion(root *policy.Node) bool {
	inner := root.Get("policy")
	return root.Get("version") != nil || inner != nil && inner.Get("version") != nil
}

func (im *importer) top(n *policy.Node) {
	plain := policy.Language().Fields["the policy"]
	for i, key := range n.Keys {
		val := n.Values[i]
		switch key.Text {
		case "policy":
			if val.Kind != policy.Map {
				im.refuse(val, "policy must be a map, not "+val.Describe(), "")
				continue
			}
			im.note(key, "the fields under policy stand at the top")
			im.top(val)
		case "version":
			if val.Text != "1" {
				im.note(val, fmt.Sprintf("version %s is written 1, the version of the language", val.Describe()))
			}
		case "defaultAction", "default", "defaultEffect":
			im.defaultAction(key, val)
		case "id", "name", "description", "metadata":
			im.note(key, key.Text+" is left out: it decides nothing")
		case "rules":
			im.allRules(val)
		default:
			if !slices.Contains(plain, key.Text) {
				im.refuse(key, "unknown field "+label(key), "write it in the canonical language, or leave it out")
				continue
			}
			im.put(key, val)
		}
	}
}

func (im *importer) put(key, val *policy.Node) {
	if slices.ContainsFunc(im.fields, func(e entry) bool { return e.name == key.Text }) {
		im.refuse(key, key.Text+" is given twice", "")
		return
	}
	im.fields = append(im.fields, entry{key.Text, val})
}

func (im *importer) defaultAction(key, val *policy.Node) {
	word, ok := canonical(effects, val.Text)
	if !ok || !isText(val) || word == "audit" {
		im.refuse(val, fmt.Sprintf("%s as a default is not allow or deny", val.Describe()), "write defaultAction: allow or deny")
		return
	}
	if word == approval {
		word = "deny"
		im.note(val, fmt.Sprintf("%s waits for a person, which a kernel cannot: imported as defaultAction: deny", val.Text))
	} else if key.Text != "defaultAction" || val.Text != word {
		im.note(key, fmt.Sprintf("%s: %s is written defaultAction: %s", key.Text, val.Text, word))
	}
	im.put(&policy.Node{Text: "defaultAction", Line: key.Line, Col: key.Col}, text(word))
}

func (im *importer) allRules(n *policy.Node) {
	if n.Kind != policy.List {
		im.refuse(n, "rules must be a list, not "+n.Describe(), "")
		return
	}
	if len(im.rules) > 0 {
		im.refuse(n, "rules is given twice", "")
	}
	for i, src := range n.Values {
		im.rule = fmt.Sprintf("rules[%d]", i)
		if id := src.Get("id"); id != nil && id.Text != "" {
			im.rule = id.Text
		}
		im.oneRule(src)
		im.rule = ""
	}
}

package schema

import "slices"

func (g *generator) rule() node {
	action := g.words("action", "")
	delete(action, "description")
	ref := func(name string) node { return node{"$ref": "#/$defs/" + name} }
	rule := g.object("a rule", map[string]node{
		"id":       {"type": "string", "pattern": "^[^\\x00-\\x20\\x7f]+$", "maxLength": 128, "description": "Unique name. Default: rules[N]."},
		"action":   {"anyOf": []node{action, {"type": "array", "items": action, "minItems": 1}}, "description": "What the rule is about: one action, or any of a list."},
		"path":     about(ref("path"), "Files and exec: absolute path."),
		"command":  about(ref("command"), "Exec: program and arguments."),
		"host":     about(ref("host"), "Network: name or address."),
		"port":     about(oneOrMore(port()), "Network: a port, a range, or a list of them."),
		"protocol": about(oneOrMore(g.words("protocol", "")), "Network."),
		"cidr":     about(oneOrMore(ref("text")), "Network: address ranges."),
		"exe":      about(ref("exe"), "Only when the acting process runs this executable."),
		"decision": g.words("decision", "audit allows, and each action is recorded on its own."),
		"reason":   {"type": "string", "description": "Shown wherever a denial is explained."},
	})
	rule["required"] = []string{"action", "decision"}
	return rule
}

func port() node {
	const number = "[1-9][0-9]{0,4}"
	return node{"anyOf": []node{
		{"type": "integer", "minimum": 1, "maximum": 65535},
		{"type": "string", "pattern": "^\\s*" + number + "\\s*(-\\s*" + number + "\\s*)?$"},
	}}
}

// matcher accepts a text, short for glob, or a map of operators.
func (g *generator) matcher(description string, operators []string) node {
	text := node{"$ref": "#/$defs/text"}
	fields := map[string]node{}
	for _, op := range operators {
		switch op {
		case "equals":
			fields[op] = about(text, "This text exactly.")
		case "in":
			fields[op] = node{"type": "array", "items": text, "description": "Any of these texts."}
		case "glob":
			fields[op] = about(oneOrMore(text), "Any of these patterns: * within a component, ** any number of components, ?, [a-z], {a,b}.")
		case "startsWith", "endsWith", "contains":
			fields[op] = about(oneOrMore(text), "Any of these texts.")
		default:
			g.fail("an operator %q that the schema does not know", op)
		}
	}
	return node{"description": description, "anyOf": []node{
		text,
		{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": fields},
	}}
}

func without(all []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}

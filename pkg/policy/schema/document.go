package schema

import "github.com/authensor/safeclaw-node-agent/pkg/policy"

func (g *generator) document() node {
	root := g.object("the policy", map[string]node{
		"version":       {"enum": []any{1, "1"}, "description": "Version of the language."},
		"defaultAction": g.words("defaultAction", "Verdict when no rule matches. Default: deny."),
		"mode":          g.words("mode", "observe computes and records the verdict, and allows. Default: enforce."),
		"baseline":      g.words("baseline", "Rules evaluated after these and before the defaults. Default: image in a container, runtime on a host's own root."),
		"entrypoint":    g.words("entrypoint", "What the container's own start may execute. Default: chain."),
		"onAuditLoss":   g.words("onAuditLoss", "deny: an action whose record cannot be queued is denied. Default: continue."),
		"onAgentLoss":   g.words("onAgentLoss", "deny: deny everything when the agent has been dead for a while. Default: keep."),
		"connections":   g.words("connections", "Established connections when what allowed them goes. Default: keep."),
		"audit":         g.audit(),
		"builtin":       g.builtin(),
		"dns":           g.dns(),
		"rules":         {"type": "array", "maxItems": policy.MaxRules, "items": node{"$ref": "#/$defs/rule"}, "description": "First match wins."},
	})
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = ID
	root["title"] = "SafeClaw policy"
	root["required"] = []string{"version"}
	root["$defs"] = node{
		"rule": g.rule(), "text": node{"type": "string", "minLength": 1},
		"path": g.matcher("Absolute path, after symlinks are resolved.", g.lang.Operators),
		"host": g.matcher("Name of a host, or an address.", without(g.lang.Operators, "startsWith", "contains")),
		"exe":  g.matcher("The executable of the acting process: an absolute path.", g.lang.Operators),
		"command": g.matcher("The program, by base name or by full path, and its arguments, word by word.",
			g.lang.Operators),
	}
	return root
}

func (g *generator) audit() node {
	settings := map[string]node{
		"allow": g.words("audit of allowed actions", "each: one record each; count: counted by rule, executable and path."),
		"deny":  g.words("audit of denied actions", "Denials are always recorded one by one."),
	}
	fields := map[string]node{}
	for _, action := range g.lang.Words["action"] {
		fields[action] = g.object("audit of "+action, settings)
	}
	for name, shape := range settings {
		fields[name] = shape
	}
	return about(g.object("audit", fields), "What is recorded one by one and what as counts, for all actions or by action.")
}

func (g *generator) builtin() node {
	fields := map[string]node{}
	for _, name := range policy.BuiltinNames() {
		fields[name] = node{"const": "allow"}
	}
	return about(g.object("builtin", fields), "Built-in denials that are relaxed, as far as the operator lets policies do so.")
}

func (g *generator) dns() node {
	number := node{"type": "integer", "minimum": 1, "maximum": 65535}
	return about(g.object("dns", map[string]node{
		"types":    about(oneOrMore(node{"anyOf": []node{number, {"type": "string", "minLength": 1}, {"type": "null"}}}), "Query types that pass besides the usual ones, by name or number."),
		"tcp":      g.words("dns.tcp", "DNS over TCP."),
		"maxLabel": {"type": "integer", "minimum": 1, "maximum": 63, "description": "Longest label of a name under a suffix rule."},
		"rate":     {"type": "integer", "minimum": 1, "maximum": 1_000_000, "description": "Queries a minute of names under a suffix rule."},
	}), "Name resolution besides the rules.")
}

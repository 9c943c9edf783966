package policy

import "fmt"

// topLevel reads the fields of the document.
func (p *parser) topLevel(pol *Policy, root *ynode) {
	version := false
	set := func(dst *string, name string, words ...string) field {
		return field{name, func(n *ynode) {
			if s, ok := p.choice(n, name, words...); ok {
				*dst = s
			}
		}}
	}
	known := []field{
		{"version", func(n *ynode) { version = true; p.version(n) }},
		{"defaultAction", func(n *ynode) {
			if s, ok := p.choice(n, "defaultAction", "deny", "allow"); ok && s == "allow" {
				pol.DefaultAction = DecisionAllow
			}
		}},
		{"mode", func(n *ynode) {
			if s, ok := p.choice(n, "mode", "enforce", "observe"); ok {
				pol.Mode, pol.given.mode = s, true
			}
		}},
		set(&pol.Baseline, "baseline", "image", "runtime", "none"),
		set(&pol.Entrypoint, "entrypoint", "chain", "single", "deny"),
		set(&pol.OnAuditLoss, "onAuditLoss", "continue", "deny"),
		set(&pol.OnAgentLoss, "onAgentLoss", "keep", "deny"),
		set(&pol.Connections, "connections", "keep", "cut"),
		{"audit", func(n *ynode) { p.audit(&pol.Audit, n) }},
		{"builtin", func(n *ynode) { p.builtin(pol, n) }},
		{"dns", func(n *ynode) { p.dns(&pol.DNS, n) }},
		{"rules", func(n *ynode) { p.rules(pol, n) }},
	}
	if p.baseline {
		known = append(known, set(&pol.extends, "extends", "runtime"),
			field{"onRootOnly", func(n *ynode) {
				for _, item := range listItems(n) {
					pol.onRootOnly = append(pol.onRootOnly, item.text)
				}
			}},
			field{"launchers", func(n *ynode) { pol.launchers = p.pathValues(n, OpGlob) }})
	}
	if !p.fields(root, "the policy", known) {
		return
	}
	if !version {
		p.fail(root, "version is missing", "write version: 1")
	}
	if p.floor {
		p.onlyFloor(pol, root)
	}
}

func (p *parser) version(n *ynode) {
	if n.kind != yScalar || n.text != "1" || (n.tag != "!!int" && n.tag != "!!str") {
		p.fail(n, fmt.Sprintf("version %s is unknown", describe(n)), "this program reads version 1")
	}
}

// audit reads {allow: each|count, deny: each}, for all actions or by action.
func (p *parser) audit(a *Audit, n *ynode) {
	const every = fileActions | ActionSet(1<<ActionExec|1<<ActionNetwork)
	base, all := a.CountAllows, ActionSet(0)
	known := p.auditFields(func(count bool) {
		base, all = 0, every
		if count {
			base, all = every, 0
		}
	})
	var each, count ActionSet
	for _, name := range append(actionNames[:ActionMap:ActionMap], allFileActions) {
		set, _ := actionNamed(name)
		known = append(known, field{name, func(n *ynode) {
			p.fields(n, "audit of "+name, p.auditFields(func(c bool) {
				if c {
					count |= set
				} else {
					each |= set
				}
			}))
		}})
	}
	p.fields(n, "audit", known)
	a.CountAllows = base&^each | count
	a.each = (all | each) &^ count
	if both := each & count; both != 0 {
		p.fail(n, "audit names an action twice with different settings", "")
	}
}

func (p *parser) auditFields(allow func(count bool)) []field {
	return []field{
		{"allow", func(n *ynode) {
			if s, ok := p.choice(n, "audit of allowed actions", "each", "count"); ok {
				allow(s == "count")
			}
		}},
		{"deny", func(n *ynode) { p.choice(n, "audit of denied actions", "each") }},
	}
}

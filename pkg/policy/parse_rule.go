package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// allFileActions is the one action that stands for several.
const allFileActions = "file.*"

// ActionsNamed returns the actions that a word of the language stands for:
// "file.read", or "file.*" for three.
func ActionsNamed(name string) (ActionSet, bool) {
	set, ok := actionNamed(name)
	return set, ok && set != ActionSet(0).with(ActionMap)
}

func actionNamed(name string) (ActionSet, bool) {
	if name == allFileActions {
		return fileActions, true
	}
	for a, n := range actionNames {
		if n == name {
			return ActionSet(0).with(Action(a)), true
		}
	}
	return 0, false
}

func (p *parser) rules(pol *Policy, n *ynode) {
	if n.kind != ySeq {
		p.failf(n, "rules must be a list, not %s", describe(n))
		return
	}
	what, most := "a policy", MaxRules
	if p.floor {
		what, most = "a floor", MaxFloorRules
	}
	if len(n.vals) > most {
		p.fail(n, fmt.Sprintf("%d rules; %s has at most %d", len(n.vals), what, most), "")
		return
	}
	ids := map[string]int{}
	for i, item := range n.vals {
		line, col := p.at.of(item.line, item.col)
		rule := Rule{Index: i, Line: line, Col: col}
		p.rule(&rule, item)
		if rule.ID != "" {
			if first, dup := ids[rule.ID]; dup {
				p.fail(item.get("id"), fmt.Sprintf("duplicate id %q, first on line %d", rule.ID, first), "")
			} else {
				ids[rule.ID] = line
			}
		}
		pol.Rules = append(pol.Rules, rule)
	}
}

func (p *parser) rule(r *Rule, n *ynode) {
	hasAction, hasDecision := false, false
	known := []field{
		{"id", func(n *ynode) { r.ID = p.id(n) }},
		{"action", func(n *ynode) { hasAction = true; r.Actions = p.actions(n) }},
		{"path", func(n *ynode) { r.Path = p.matcher(n, "path") }},
		{"host", func(n *ynode) { r.Host = p.matcher(n, "host") }},
		{"port", func(n *ynode) { r.hasPorts = true; r.Ports = p.ports(n) }},
		{"protocol", func(n *ynode) { r.hasProtocols = true; r.Protocols = p.protocols(n) }},
		{"cidr", func(n *ynode) { r.hasCIDRs = true; r.CIDRs = p.cidrs(n) }},
		{"decision", func(n *ynode) {
			hasDecision = true
			r.Decision = p.decision(n)
			if p.floor && n.text == "allow" {
				p.fail(n, "a floor cannot allow: it only denies and audits", "leave the rule out, or write decision: deny or audit")
			}
		}},
		{"reason", func(n *ynode) { r.Reason, _ = p.word(n, "reason") }},
		{"exe", func(n *ynode) { r.Exe = p.matcher(n, "exe") }},
		{"command", func(n *ynode) { r.Command = p.matcher(n, "command") }},
	}
	if p.baseline {
		known = append(known, field{"mounted", func(n *ynode) {
			r.rootOnly, r.mountOnly = n.text == "false", n.text != "false"
		}}, field{"except", func(n *ynode) {
			r.except = p.pathValues(n, OpGlob)
			for _, item := range listItems(n) {
				r.exceptText = append(r.exceptText, item.text)
			}
		}})
	}
	if !p.fields(n, "a rule", known) {
		return
	}
	for _, key := range n.keys { // a misspelt field is reported as that
		switch suggest(key.text, []string{"action", "decision"}) {
		case didYouMean("action"):
			hasAction = true
		case didYouMean("decision"):
			hasDecision = true
		}
	}
	if !hasAction {
		p.fail(n, "a rule without action", "name what it is about, such as action: file.read")
	}
	if !hasDecision {
		p.fail(n, "a rule without decision", "write decision: allow, deny or audit")
	}
	p.applies(r, n)
}

// id reads a rule's name. It ends in records and in "rules[2]"-like places, so
// it is one plain word.
func (p *parser) id(n *ynode) string {
	s, ok := p.word(n, "id")
	if !ok {
		return ""
	}
	if s == "" || len(s) > 128 {
		p.fail(n, "an id has 1 to 128 characters", "")
		return ""
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f {
			p.fail(n, "an id has no spaces and no control characters", "")
			return ""
		}
	}
	if strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) >= 0 {
		p.fail(n, "an id has no characters that cannot be seen", "")
		return ""
	}
	if isReservedName(s) && !p.baseline {
		p.fail(n, fmt.Sprintf("the id %q would be taken for a rule that is not the policy's", s), "choose another one")
		return ""
	}
	return s
}

// isReservedName reports whether records and tools give the name to something
// else: to other origins, to what is built in, or to rules without an id.
func isReservedName(id string) bool {
	return id == "default" || id == "entrypoint" || slices.ContainsFunc([]string{"baseline/", "builtin/", "floor/", "rules["},
		func(prefix string) bool { return strings.HasPrefix(id, prefix) })
}

func (p *parser) actions(n *ynode) ActionSet {
	items := []*ynode{n}
	if n.kind == ySeq {
		items = n.vals
		if len(items) == 0 {
			p.fail(n, "an empty list of actions", "")
		}
	}
	known := append([]string{allFileActions}, actionNames[:ActionMap]...)
	if p.baseline {
		known = append(known, actionNames[ActionMap])
	}
	var set ActionSet
	for _, item := range items {
		s, ok := p.choice(item, "action", known...)
		if !ok {
			continue
		}
		more, _ := actionNamed(s)
		set |= more
	}
	return set
}

func (p *parser) decision(n *ynode) Decision {
	s, _ := p.choice(n, "decision", decisionNames[:]...)
	for d, name := range decisionNames {
		if name == s {
			return Decision(d)
		}
	}
	return DecisionDeny
}

// applies checks that the rule's matchers are about its actions.
func (p *parser) applies(r *Rule, n *ynode) {
	network := ActionSet(0).with(ActionNetwork)
	check := func(field string, given bool, ok ActionSet) {
		if !given || r.Actions&^ok == 0 {
			return
		}
		for a := range Action(numActions) {
			if r.Actions.Has(a) && !ok.Has(a) {
				i := indexOfKey(n, field)
				p.fail(n.keys[i], fmt.Sprintf("%s says nothing about %s", field, a), "write two rules")
				return
			}
		}
	}
	check("path", r.Path != nil, pathActions)
	check("command", r.Command != nil, ActionSet(0).with(ActionExec))
	check("host", r.Host != nil, network)
	check("port", r.hasPorts, network)
	check("protocol", r.hasProtocols, network)
	check("cidr", r.hasCIDRs, network)
}

func indexOfKey(n *ynode, key string) int {
	for i, k := range n.keys {
		if k.text == key {
			return i
		}
	}
	return 0
}

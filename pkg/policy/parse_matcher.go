package policy

import (
	"fmt"
	"slices"
	"strings"
)

// refused are operators of other dialects, with what to say about them.
var refused = []string{"regex", "regexp", "matches", "match", "pattern", "re"}

// matcher reads a plain string, short for glob, or a map of operators.
func (p *parser) matcher(n *ynode, field string) *Matcher {
	m := &Matcher{}
	if n.kind == yScalar {
		if _, ok := p.word(n, field); ok {
			p.condition(m, field, OpGlob, n)
		}
		return m
	}
	if n.kind == ySeq {
		p.fail(n, field+" must be a text or a map of operators, not a list", "write "+field+": {in: [...]} or {glob: [...]}")
		return m
	}
	if len(n.keys) == 0 {
		p.fail(n, "a matcher without an operator", "a rule for everything has no "+field+" at all")
	}
	for i, key := range n.keys {
		if slices.Contains(refused, key.text) {
			p.fail(key, fmt.Sprintf("%q: regular expressions are not part of the language", key.text), `use glob, such as "/app/**/*.py"`)
			continue
		}
		op := slices.Index(operatorNames[:], key.text)
		if op < 0 {
			p.fail(key, fmt.Sprintf("unknown operator %q", key.text), suggest(key.text, operatorNames[:]))
			continue
		}
		if field == "host" && (Operator(op) == OpStartsWith || Operator(op) == OpContains) {
			p.fail(key, key.text+" on a host would match names of other owners (api.openai.com.evil.example)", "use equals, in, endsWith or glob")
			continue
		}
		p.condition(m, field, Operator(op), n.vals[i])
	}
	return m
}

func (p *parser) condition(m *Matcher, field string, op Operator, n *ynode) {
	c := Condition{Operator: op}
	items := []*ynode{n}
	switch {
	case n.kind == ySeq && op == OpEquals:
		p.fail(n, "equals takes one text", "use in for a list")
		return
	case n.kind == ySeq:
		items = n.vals
	case op == OpIn:
		p.failf(n, "in takes a list, not %s", describe(n))
		return
	}
	for _, item := range items {
		text, ok := p.word(item, op.String())
		if !ok {
			continue
		}
		if text == "" {
			p.fail(item, "an empty text, which would match everything or nothing", "a rule for everything has no "+field+" at all")
			continue
		}
		c.Values = append(c.Values, text)
		line, col := p.at.of(item.line, item.col)
		c.Places = append(c.Places, Place{line, col})
		one := Condition{Operator: op}
		p.patternError(item, one.add(field, text))
		c.paths = append(c.paths, one.paths...)
		c.hosts = append(c.hosts, one.hosts...)
		c.addrs = append(c.addrs, one.addrs...)
		c.commands = append(c.commands, one.commands...)
		if !p.budget(item, one.size()) {
			return
		}
	}
	m.Conditions = append(m.Conditions, c)
}

// patternError reports err at its place inside the scalar.
func (p *parser) patternError(n *ynode, err *globError) {
	if err == nil {
		return
	}
	col := n.col + err.off
	if n.quoted {
		col++
	}
	text := n.text
	if len(text) > 80 {
		text = text[:80] + "..."
	}
	p.report(n.line, col, n.text, fmt.Sprintf("%q: %s", text, err.msg), err.hint)
}

func (p *parser) budget(n *ynode, more int) bool {
	before := p.tokens
	p.tokens += more
	if before <= maxTokens && p.tokens > maxTokens {
		p.fail(n, fmt.Sprintf("the policy's braces and aliases expand to more than %d characters", maxTokens), "write fewer alternatives, or split the policy")
	}
	return p.tokens <= maxTokens
}

// pathValues reads a pattern or a list of patterns.
func (p *parser) pathValues(n *ynode, op Operator) []pathPattern {
	var m Matcher
	p.condition(&m, "path", op, n)
	if len(m.Conditions) == 0 {
		return nil
	}
	return m.Conditions[0].paths
}

// add reads one value of a condition on the field.
func (c *Condition) add(field, text string) *globError {
	switch {
	case len(text) > maxPatternBytes:
		return &globError{0, fmt.Sprintf("%d bytes; a pattern has at most %d", len(text), maxPatternBytes), "no path and no command that is compared is longer"}
	case field == "host":
		return c.addHost(text)
	case field == "command":
		return c.addCommand(text)
	}
	return c.addPath(text)
}

func (c *Condition) addPath(text string) *globError {
	var pats []pathPattern
	var err *globError
	one := func(p pathPattern, e *globError) { pats, err = []pathPattern{p}, e }
	switch c.Operator {
	case OpGlob:
		pats, err = parsePathGlob(text)
	case OpEquals, OpIn:
		one(parsePathLiteral(text))
	case OpStartsWith:
		one(parsePathPrefix(text))
	case OpEndsWith:
		one(parsePathPart(patSuffix, text))
	case OpContains:
		one(parsePathPart(patContains, text))
	}
	if err == nil && strings.HasSuffix(text, "\n") {
		err = &globError{len(text) - 1, "a line break at the end", "write the text on one line"}
	}
	if err != nil {
		return err
	}
	for _, pat := range pats {
		c.paths = append(c.paths, withAliases(pat)...)
	}
	return nil
}

func (c *Condition) addCommand(text string) *globError {
	commands, err := parseCommand(c.Operator, text)
	c.commands = append(c.commands, commands...)
	return err
}

func (c *Condition) addHost(text string) *globError {
	var hosts []hostPattern
	var err *globError
	switch c.Operator {
	case OpEquals, OpIn:
		hosts, c.addrs, err = parseHostAppend(text, c.addrs, parseHostLiteral)
	case OpGlob:
		hosts, c.addrs, err = parseHostAppend(text, c.addrs, parseHostGlob)
	case OpEndsWith:
		hosts, err = parseHostSuffix(text)
	}
	c.hosts = append(c.hosts, hosts...)
	return err
}

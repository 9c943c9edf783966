package policy

import "strings"

// matchesPath compares a path with one pattern. links lets the directories
// that kubelet keeps inside volumes pass: see isVolumeLink.
func (s *evalSubject) matchesPath(p *pathPattern, links bool) bool {
	switch p.kind {
	case patSuffix:
		return strings.HasSuffix(s.text, p.text)
	case patContains:
		return strings.Contains(s.text, p.text)
	}
	if !strings.HasPrefix(s.text, "/") || strings.Contains(s.text, "\x00") {
		return false
	}
	var names []string // "/" has none
	if s.text != "/" {
		names = strings.Split(s.text[1:], "/")
	} else if p.kind == patPrefix {
		names = []string{""}
	}
	leading := 0
	for _, c := range p.components {
		if _, ok := c.literal(); !ok {
			break
		}
		leading++
	}
	m := pathMatcher{prefix: p.kind == patPrefix, all: p.components}
	if links {
		m.links = leading
	}
	return m.match(0, names)
}

type pathMatcher struct {
	all    []component
	prefix bool // the last component is the beginning of a name
	links  int  // volume links may stand before components 1 to links
}

// match compares the components from i on with names.
func (m *pathMatcher) match(i int, names []string) bool {
	if i == len(m.all) {
		return len(names) == 0
	}
	c := m.all[i]
	if c.deep {
		for skip := 0; skip <= len(names); skip++ {
			if m.match(i+1, names[skip:]) {
				return true
			}
		}
		return false
	}
	if len(names) == 0 {
		return false
	}
	if i >= 1 && i <= m.links && len(names) > 1 && isVolumeLink(names[0]) && m.match(i, names[1:]) {
		return true
	}
	if m.prefix && i == len(m.all)-1 {
		for n := 0; n <= len(names[0]); n++ {
			if matchesTokens(c.tokens, names[0][:n]) {
				return true
			}
		}
		return false
	}
	return matchesName(c.tokens, names[0]) && m.match(i+1, names[1:])
}

// matchesName compares one component with a name, which is never empty.
func matchesName(tokens []token, name string) bool {
	return name != "" && matchesTokens(tokens, name)
}

func matchesTokens(tokens []token, rest string) bool {
	if len(tokens) == 0 {
		return rest == ""
	}
	t, more := tokens[0], tokens[1:]
	if t.kind == tokAny {
		for i := 0; i <= len(rest); i++ {
			if matchesTokens(more, rest[i:]) {
				return true
			}
		}
		return false
	}
	if rest == "" {
		return false
	}
	switch c := rest[0]; t.kind {
	case tokByte:
		return t.b == c && matchesTokens(more, rest[1:])
	case tokOne:
		return matchesTokens(more, rest[1:])
	case tokSet:
		return t.set.has(c) && matchesTokens(more, rest[1:])
	case tokDigits:
		if c < '0' || c > '9' {
			return false
		}
		return matchesTokens(more, rest[1:]) || matchesTokens(tokens, rest[1:])
	}
	return false
}

// matchesHost compares a host name with one pattern.
func (s *evalSubject) matchesHost(p *hostPattern) bool {
	switch p.kind {
	case hostExact:
		return s.text == p.text
	case hostSuffix:
		return len(s.text) > len(p.text) && strings.HasSuffix(s.text, p.text)
	}
	names := strings.Split(s.text, ".")
	if len(names) != len(p.labels) {
		return false
	}
	for i, l := range p.labels {
		if !matchesName(l.tokens, names[i]) {
			return false
		}
	}
	return true
}

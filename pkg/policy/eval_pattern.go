package policy

import "strings"

// matchesPath compares a path with one pattern. links lets the directories
// that kubelet keeps inside volumes pass: see isVolumeLink.
func matchesPath(p *pathPattern, path string, links bool) bool {
	switch p.kind {
	case patSuffix:
		return strings.HasSuffix(path, p.text)
	case patContains:
		return strings.Contains(path, p.text)
	}
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "\x00") {
		return false
	}
	var names []string // "/" has none
	if path != "/" {
		names = strings.Split(path[1:], "/")
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
	if !links {
		leading = 0
	}
	return matchesComponents(p, names, leading)
}

// matchesComponents compares components with names. at holds how many names
// the components so far may stand for; volume links may stand before the
// components 1 to links.
func matchesComponents(p *pathPattern, names []string, links int) bool {
	end := len(names)
	at := make([]bool, end+1)
	at[0] = true
	for i, c := range p.components {
		if i >= 1 && i <= links {
			for from := range end {
				at[from+1] = at[from+1] || at[from] && isVolumeLink(names[from])
			}
		}
		if c.deep {
			at = fill(at)
			continue
		}
		next := make([]bool, end+1)
		for from := range end {
			if !at[from] {
				continue
			}
			if p.kind == patPrefix && i == len(p.components)-1 {
				if beginsWith(c.tokens, names[from]) {
					return true
				}
				continue
			}
			next[from+1] = matchesName(c.tokens, names[from])
		}
		at = next
	}
	return p.kind != patPrefix && at[end]
}

// beginsWith reports whether the tokens match some beginning of a name.
func beginsWith(tokens []token, name string) bool {
	for n := 0; n <= len(name); n++ {
		if matchesTokens(tokens, name[:n]) {
			return true
		}
	}
	return false
}

// matchesName compares one component with a name, which is never empty.
func matchesName(tokens []token, name string) bool {
	return name != "" && matchesTokens(tokens, name)
}

// matchesTokens compares tokens with a text. at holds how many bytes the
// tokens so far may stand for.
func matchesTokens(tokens []token, text string) bool {
	at := make([]bool, len(text)+1)
	at[0] = true
	for _, t := range tokens {
		if t.kind == tokAny {
			at = fill(at)
			continue
		}
		next := make([]bool, len(text)+1)
		for i := range len(text) {
			next[i+1] = (at[i] || t.kind == tokDigits && next[i]) && t.matches(text[i])
		}
		at = next
	}
	return at[len(text)]
}

// matches compares a token for one byte with it.
func (t token) matches(b byte) bool {
	switch t.kind {
	case tokByte:
		return t.b == b
	case tokOne:
		return b != 0
	case tokSet:
		return t.set.has(b)
	case tokDigits:
		return '0' <= b && b <= '9'
	}
	return false
}

// matchesHost compares a host name with one pattern.
func matchesHost(p *hostPattern, name string) bool {
	switch p.kind {
	case hostExact:
		return name == p.text
	case hostSuffix:
		return len(name) > len(p.text) && strings.HasSuffix(name, p.text)
	}
	names := strings.Split(name, ".")
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

package policy

import (
	"slices"
	"strings"
)

// pathPattern is one pattern over an absolute path, without alternatives.
type pathPattern struct {
	kind patternKind
	// components of the path, for patGlob and patPrefix. Of a patPrefix the
	// last one is the beginning of a name, possibly empty.
	components []component
	// text to look for, for patSuffix and patContains.
	text string
}

type patternKind uint8

const (
	patGlob patternKind = iota
	patPrefix
	patSuffix
	patContains
)

// leading returns how many literal components the pattern starts with.
func (p *pathPattern) leading() int {
	for i, c := range p.components {
		if _, ok := c.literal(); !ok {
			return i
		}
	}
	return len(p.components)
}

// parsePathGlob reads a glob over paths.
func parsePathGlob(text string) ([]pathPattern, *globError) {
	if strings.HasPrefix(text, "~") {
		return nil, &globError{0, "~ is not expanded", "write the home directory out, such as /root"}
	}
	alts, err := scanGlob(text, '/')
	if err != nil {
		return nil, err
	}
	var pats []pathPattern
	for _, alt := range alts {
		p, err := absoluteGlob(alt, text)
		if err != nil {
			return nil, err
		}
		pats = append(pats, p)
	}
	return pats, nil
}

func absoluteGlob(tokens []token, text string) (pathPattern, *globError) {
	deep := component{deep: true}
	p := pathPattern{}
	rest := tokens
	switch {
	case len(tokens) == 0:
		return p, &globError{0, "an empty pattern", ""}
	case tokens[0].kind == tokSep:
		rest = tokens[1:]
		if len(rest) == 0 {
			return p, nil
		}
	case !slices.ContainsFunc(tokens, func(t token) bool { return t.kind == tokSep }):
		p.components = append(p.components, deep)
	case tokens[0].kind == tokDeep && tokens[1].kind == tokSep:
		// "**/x" is "/**/x".
	default:
		clean := strings.TrimPrefix(text, "./")
		return p, &globError{0, "a relative pattern; policies name absolute paths",
			`write it absolutely, such as "/app/` + clean + `", or "**/` + clean + `" for any directory`}
	}
	var cur component
	finish := func() *globError {
		c, err := checkComponent(cur)
		if err == nil && !(c.deep && len(p.components) > 0 && p.components[len(p.components)-1].deep) {
			p.components = append(p.components, c)
		}
		cur = component{}
		return err
	}
	for _, t := range rest {
		if t.kind != tokSep {
			cur.tokens = append(cur.tokens, t)
			continue
		}
		if err := finish(); err != nil {
			return p, err
		}
	}
	if len(cur.tokens) == 0 {
		return p, &globError{len(text) - 1, "a path never ends with a slash", "leave it out, or write /** for everything below"}
	}
	return p, finish()
}

// checkComponent finishes a component: it recognises ** and refuses names that
// no resolved path contains.
func checkComponent(c component) (component, *globError) {
	if len(c.tokens) == 0 {
		return c, &globError{0, "an empty component (//), which no path contains", ""}
	}
	if c.tokens[0].kind == tokDeep && len(c.tokens) == 1 {
		return component{deep: true}, nil
	}
	for _, t := range c.tokens {
		if t.kind == tokDeep {
			return c, &globError{0, "** must be a whole component", "write * within a component"}
		}
	}
	if name, ok := c.literal(); ok && (name == "." || name == "..") {
		return c, &globError{0, name + " as a component, which no resolved path contains", "write the path without it"}
	}
	c.tokens = slices.CompactFunc(c.tokens, func(a, b token) bool { return a.kind == tokAny && b.kind == tokAny })
	return c, nil
}

// parsePathLiteral reads the value of equals and in.
func parsePathLiteral(text string) (pathPattern, *globError) {
	p, err := splitPath(text)
	if err != nil || text == "/" {
		return pathPattern{}, err
	}
	for _, c := range p.components {
		if _, err := checkComponent(c); err != nil {
			return p, err
		}
	}
	return p, nil
}

// parsePathPrefix reads the value of startsWith.
func parsePathPrefix(text string) (pathPattern, *globError) {
	p, err := splitPath(text)
	p.kind = patPrefix
	if err != nil {
		return p, err
	}
	for _, c := range p.components[:len(p.components)-1] { // the last one is the beginning of a name
		if _, err := checkComponent(c); err != nil {
			return p, err
		}
	}
	return p, nil
}

// parsePathPart reads the value of endsWith and contains, and refuses what no
// resolved path contains: a rule about that would never match, in silence.
func parsePathPart(kind patternKind, text string) (pathPattern, *globError) {
	p := pathPattern{kind: kind, text: text}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return p, &globError{i, "a NUL byte, which no name contains", ""}
	}
	for _, never := range []string{"//", "/./", "/../"} {
		if i := strings.Index(text, never); i >= 0 {
			return p, &globError{i, never + ", which no resolved path contains", "write the path without it"}
		}
	}
	if kind != patSuffix {
		return p, nil
	}
	for _, never := range []string{"/", "/.", "/.."} {
		if strings.HasSuffix(text, never) {
			return p, &globError{len(text) - len(never), "a path never ends with " + never, "for everything below a directory use glob or startsWith"}
		}
	}
	return p, nil
}

func splitPath(text string) (pathPattern, *globError) {
	p := pathPattern{}
	if !strings.HasPrefix(text, "/") {
		return p, &globError{0, "a path is absolute, so this never matches", "start it with /"}
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return p, &globError{i, "a NUL byte, which no name contains", ""}
	}
	for name := range strings.SplitSeq(text[1:], "/") {
		p.components = append(p.components, literalComponent(name))
	}
	return p, nil
}

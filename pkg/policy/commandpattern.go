package policy

import (
	"slices"
	"strings"
)

// commandPattern is one pattern over a command: the program and its arguments,
// word by word, without alternatives.
type commandPattern struct {
	fromStart bool // words[0] is compared with the program (all but endsWith and contains)
	toEnd     bool // the last word is compared with the last argument (all but startsWith and contains)
	words     []commandWord
}

// commandWord is one word of a commandPattern. In the place of the program it
// is compared with the base name of the executable, or with its full path where
// the word begins with a slash; anywhere else with one whole argument.
type commandWord struct {
	deep   bool          // **: any number of words, zero included
	tokens []token       // within the word; * may match nothing, and matches slashes too
	paths  []pathPattern // words that begin with a slash: the same over paths, aliases included
}

// absolute reports whether the pattern says where its program lies.
func (p *commandPattern) absolute() bool {
	return p.fromStart && len(p.words) > 0 && len(p.words[0].paths) > 0
}

// parseCommand reads one pattern over commands.
func parseCommand(op Operator, text string) ([]commandPattern, *globError) {
	if err := checkSpaces(text, op == OpGlob); err != nil {
		return nil, err
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, &globError{i, "a NUL byte, which no argument contains", ""}
	}
	if op == OpGlob {
		return parseCommandGlob(text)
	}
	p := commandPattern{
		fromStart: op == OpEquals || op == OpIn || op == OpStartsWith,
		toEnd:     op == OpEquals || op == OpIn || op == OpEndsWith,
	}
	for i, name := range strings.Split(text, " ") {
		word := commandWord{tokens: literalComponent(name).tokens}
		if i == 0 && strings.HasPrefix(name, "/") {
			pat, err := parsePathLiteral(name)
			if err == nil {
				word.paths = withAliases(pat)
			} else if p.fromStart {
				return nil, err
			}
		} else if i == 0 && p.fromStart && strings.Contains(name, "/") {
			return nil, programPath(name)
		}
		p.words = append(p.words, word)
	}
	return []commandPattern{p}, nil
}

func programPath(name string) *globError {
	return &globError{0, "a program is named by its base name or by its full path",
		`write "` + name[strings.LastIndexByte(name, '/')+1:] + `" or a path that begins with /`}
}

// checkSpaces refuses spaces that would make an empty word, which no pattern
// can mean. escapes says that a backslash takes the next byte as it is.
func checkSpaces(text string, escapes bool) *globError {
	const hint = "words are separated by one space"
	word := false
	for i := 0; i < len(text); i++ {
		if text[i] != ' ' {
			word = true
			if escapes && text[i] == '\\' {
				i++
			}
			continue
		}
		if !word {
			return &globError{i, "a space at the beginning, or two in a row", hint}
		}
		word = false
	}
	if !word {
		return &globError{max(len(text)-1, 0), "a space at the end", hint}
	}
	if strings.HasSuffix(text, "\n") {
		return &globError{len(text) - 1, "a line break at the end", "write the text on one line"}
	}
	return nil
}

func parseCommandGlob(text string) ([]commandPattern, *globError) {
	s := globScanner{text: text, sep: ' ', escapes: true}
	alts, err := s.scan()
	if err != nil {
		return nil, err
	}
	var out []commandPattern
	for _, alt := range alts {
		p := commandPattern{fromStart: true, toEnd: true}
		for word := range splitTokens(alt) {
			w, err := globWord(word, p.words)
			if err != nil {
				return nil, err
			}
			if last := len(p.words) - 1; w.deep && last >= 0 && p.words[last].deep {
				continue
			}
			p.words = append(p.words, w)
		}
		out = append(out, p)
	}
	return out, nil
}

func splitTokens(alt []token) func(yield func([]token) bool) {
	return func(yield func([]token) bool) {
		for {
			i := slices.IndexFunc(alt, func(t token) bool { return t.kind == tokSep })
			if i < 0 {
				yield(alt)
				return
			}
			if !yield(alt[:i:i]) {
				return
			}
			alt = alt[i+1:]
		}
	}
}

// globWord finishes one word of a glob, behind the words in before.
func globWord(tokens []token, before []commandWord) (w commandWord, err *globError) {
	if len(tokens) == 0 {
		return w, &globError{0, "an alternative that makes an empty word", "put the space inside the braces, such as go{, *}"}
	}
	if len(tokens) == 1 && tokens[0].kind == tokDeep {
		return commandWord{deep: true}, nil
	}
	first := len(before) == 0
	maybeProgram := !slices.ContainsFunc(before, func(w commandWord) bool { return !w.deep })
	isSlash := func(t token) bool { return t.kind == tokByte && t.b == '/' }
	if maybeProgram && isSlash(tokens[0]) {
		w.paths, err = programGlob(tokens)
		if err != nil && first {
			return w, err
		}
		if first {
			return w, nil // never compared with an argument
		}
	}
	if slices.ContainsFunc(tokens, func(t token) bool { return t.kind == tokDeep }) {
		return w, &globError{0, "** must be a whole word", "* matches any run within a word, slashes included; for a program in any directory write /**/NAME"}
	}
	if first && slices.ContainsFunc(tokens, isSlash) {
		return w, &globError{0, "a program is named by its base name or by its full path", "write the base name, or begin with / such as /**/NAME"}
	}
	w.tokens = slices.CompactFunc(slices.Clone(tokens), func(a, b token) bool { return a.kind == tokAny && b.kind == tokAny })
	return w, nil
}

// programGlob turns a word that begins with a slash into patterns over the
// path of the program.
func programGlob(tokens []token) ([]pathPattern, *globError) {
	path := slices.Clone(tokens)
	for i, t := range path {
		switch {
		case t.kind == tokByte && t.b == '/':
			path[i] = token{kind: tokSep}
		case t.kind == tokSet && t.set.has('/'):
			set := without(*t.set, '/')
			path[i].set = &set
		}
	}
	pat, err := absoluteGlob(path, "/")
	if err != nil {
		return nil, err
	}
	return withAliases(pat), nil
}

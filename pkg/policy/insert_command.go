package policy

import (
	"slices"
	"strings"
)

// pathConditions returns what a path must meet for a step to be a candidate:
// the rule's path, and of a rule by command what its first word says about the
// program. A step without any is a candidate for every path.
func (s *step) pathConditions() []Condition {
	if s.rule.Path == nil && s.command == 0 {
		return nil
	}
	var out []Condition
	if s.rule.Path != nil {
		out = slices.Clone(s.rule.Path.Conditions)
	}
	if s.command == 0 {
		return out
	}
	inPlace := s.rule.inStandardPlaces()
	for _, c := range s.rule.Command.Conditions {
		programs := Condition{Operator: c.Operator}
		anywhere := false
		for i := range c.commands {
			pats, all := c.commands[i].programs(inPlace)
			programs.paths = append(programs.paths, pats...)
			anywhere = anywhere || all
		}
		if !anywhere {
			out = append(out, programs)
		}
	}
	return out
}

// programs returns the paths that a program may have for the pattern to match.
// all means every path, and none at all.
func (p *commandPattern) programs(inPlace bool) (pats []pathPattern, all bool) {
	var first *commandWord
	if p.fromStart && len(p.words) > 0 && !p.words[0].deep {
		first = &p.words[0]
	}
	switch {
	case first != nil && first.paths != nil:
		return first.paths, false
	case first == nil && !inPlace:
		return nil, true
	}
	name := component{tokens: []token{{kind: tokAny}}}
	if first != nil {
		tokens, ok := first.baseName()
		if !ok {
			return nil, false
		}
		name.tokens = tokens
	}
	if !inPlace {
		return []pathPattern{{components: []component{{deep: true}, name}}}, false
	}
	for _, dir := range standardPlaces {
		pats = append(pats, pathPattern{components: append(dirComponents(dir), name)})
	}
	return pats, false
}

// baseName returns the tokens of a word as they compare with a base name,
// which holds no slash. Without ok the word matches none.
func (w *commandWord) baseName() (tokens []token, ok bool) {
	tokens = slices.Clone(w.tokens)
	for i, t := range tokens {
		switch {
		case t.kind == tokByte && t.b == '/':
			return nil, false
		case t.kind == tokSet:
			set := without(*t.set, '/')
			tokens[i].set = &set
		}
	}
	return tokens, true
}

func dirComponents(dir string) []component {
	return literalComponents(strings.Split(dir[1:], "/")...)
}

// addCommands enters the command matchers. The subject is the program's path,
// then a NUL and the argument for each argument.
func (g *graph) addCommands() {
	both, onRoot, onVolume := g.nfa.node(), g.nfa.node(), g.nfa.node()
	g.start[classRoot] = []int32{onRoot, both}
	g.start[classVolume] = []int32{onVolume, both}
	none := g.nfa.node()
	g.start[classNoPath] = []int32{none}
	for i, st := range g.steps {
		if st.always || neverHolds(st.rule.Command, func(c *Condition) int { return len(c.commands) }) {
			continue
		}
		g.conditions[i] = uint8(len(st.rule.Command.Conditions))
		for c, cond := range st.rule.Command.Conditions {
			acc := accept{order: int32(i), condition: uint8(c)}
			for j := range cond.commands {
				c := commandInsert{nfa: g.nfa, both: both, onRoot: onRoot, onVolume: onVolume, inPlace: st.allow, acc: acc}
				words := cond.commands[j].whole()
				c.program(words)
				if !st.allow {
					// Without a path only ** stands for the program.
					c.noProgram(none, words)
				}
			}
		}
	}
}

// whole returns the words of a pattern that is compared with the whole command:
// open ends become **.
func (p *commandPattern) whole() []commandWord {
	words := slices.Clone(p.words)
	if !p.fromStart {
		words = append([]commandWord{{deep: true}}, words...)
	}
	if !p.toEnd {
		words = append(words, commandWord{deep: true})
	}
	return words
}

// commandInsert adds one pattern below the roots of the classes.
type commandInsert struct {
	*nfa
	both, onRoot, onVolume int32
	inPlace                bool // the program must lie in a standard place unless the pattern begins with its path
	acc                    accept
}

// program adds the words of a pattern from the program on.
func (c *commandInsert) program(words []commandWord) {
	if len(words) == 0 {
		return // a command has a program
	}
	w, rest := &words[0], words[1:]
	switch {
	case w.deep:
		c.anyProgram(rest)
	case w.paths != nil:
		for i := range w.paths {
			c.arguments(c.pathEnds(c.onRoot, &w.paths[i], false), rest)
			c.arguments(c.pathEnds(c.onVolume, &w.paths[i], true), rest)
		}
	default:
		c.named(w, rest)
	}
}

// named adds a program by its base name, and the words behind it.
func (c *commandInsert) named(w *commandWord, rest []commandWord) {
	tokens, ok := w.baseName()
	if !ok {
		return
	}
	for _, at := range c.directories() {
		c.arguments([]int32{c.insert(at, c.componentSymbols(tokens, notSlash))}, rest)
	}
}

// directories returns the nodes behind the slash before a base name.
func (c *commandInsert) directories() []int32 {
	if !c.inPlace {
		deep := c.follow(c.both, symbol{symDeep, c.set(anyByte)})
		return []int32{c.insert(deep, byteSymbols("/"))}
	}
	var out []int32
	for _, dir := range standardPlaces {
		out = append(out, c.insert(c.both, byteSymbols(dir+"/")))
	}
	return out
}

// anyProgram adds the words behind a ** that stands before the program: it is
// nothing, so that the next word is the program, or the program and more.
func (c *commandInsert) anyProgram(words []commandWord) {
	for len(words) > 0 && words[0].deep {
		words = words[1:]
	}
	if len(words) > 0 {
		switch w := &words[0]; {
		case w.paths == nil:
			c.named(w, words[1:])
		case !c.inPlace:
			c.program(words)
		default:
			// A path that does not begin the pattern gives no place of its own.
			for _, p := range inStandardPlaces(w.paths) {
				c.arguments(c.pathEnds(c.both, &p, false), words[1:])
			}
		}
	}
	if c.inPlace {
		for _, at := range c.directories() {
			c.more(c.insert(at, []symbol{{symSet, c.set(notSlash)}, {symLoop, c.set(notSlash)}}), words)
		}
		return
	}
	c.more(c.follow(c.both, symbol{symLoop, c.set(anyByte)}), words)
}

func (c *commandInsert) noProgram(none int32, words []commandWord) {
	if len(words) > 0 && words[0].deep {
		c.more(none, words[1:])
	}
}

// arguments adds the words behind each of the nodes, where a word has ended.
func (c *commandInsert) arguments(ends []int32, words []commandWord) {
	for _, at := range ends {
		switch {
		case len(words) == 0:
			c.acceptAt(at, c.acc)
		case words[0].deep:
			c.more(at, words[1:])
		default:
			next := c.follow(at, symbol{symByte, 0})
			c.arguments([]int32{c.insert(next, c.wordSymbols(words[0].tokens))}, words[1:])
		}
	}
}

// more adds ** behind a node where a word has ended, and then the words.
func (c *commandInsert) more(at int32, words []commandWord) {
	for len(words) > 0 && words[0].deep {
		words = words[1:]
	}
	if len(words) > 0 {
		c.arguments([]int32{c.follow(at, symbol{symWords, 0})}, words)
		return
	}
	c.acceptAt(at, c.acc)
	next := c.follow(at, symbol{symByte, 0})
	last := c.own(next)
	last.final = append(last.final, c.acc)
}

// wordSymbols turns the tokens of an argument into symbols; * may match nothing.
func (a *nfa) wordSymbols(tokens []token) []symbol {
	if len(tokens) == 1 && tokens[0].kind == tokAny {
		return []symbol{{symLoop, a.set(anyByte)}}
	}
	return a.componentSymbols(tokens, anyByte)
}

// inStandardPlaces returns what is left of path patterns for files directly in
// standardPlaces.
func inStandardPlaces(paths []pathPattern) []pathPattern {
	var out []pathPattern
	for _, dir := range standardPlaces {
		for i := range paths {
			for _, name := range below(paths[i].components, strings.Split(dir[1:], "/")) {
				out = append(out, pathPattern{components: append(dirComponents(dir), name)})
			}
		}
	}
	return out
}

// below returns the components that a pattern leaves for one name below the
// directories.
func below(pattern []component, dirs []string) []component {
	if len(pattern) == 0 {
		return nil
	}
	first, rest := pattern[0], pattern[1:]
	switch {
	case len(dirs) > 0 && first.deep:
		return append(below(rest, dirs), below(pattern, dirs[1:])...)
	case len(dirs) > 0:
		if !matchesName(first.tokens, dirs[0]) {
			return nil
		}
		return below(rest, dirs[1:])
	case first.deep:
		if len(rest) == 0 {
			return []component{{tokens: []token{{kind: tokAny}}}}
		}
		return below(rest, nil)
	}
	for _, c := range rest {
		if !c.deep {
			return nil
		}
	}
	return []component{first}
}

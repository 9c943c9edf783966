package policygen

import "strings"

func (g *Generator) commandOp() (string, string) {
	literal := func() string { return g.literalCommand(pick(g, "a", "b", "ab", "/bin/a", "/usr/local/bin/b", "/a/ab")) }
	tail := func() string { return g.literalCommand(pick(g, g.word(), g.word(), "a", "/bin/a")) }
	switch g.IntN(8) {
	case 0:
		return "equals", quoted(literal)()
	case 1:
		return "in", g.list(quoted(literal))
	case 2:
		return "startsWith", g.list(quoted(literal))
	case 3:
		return "endsWith", g.list(quoted(tail))
	case 4:
		return "contains", g.list(quoted(tail))
	case 5:
		return "glob", quoted(g.commandGlob)()
	}
	return "glob", g.list(quoted(g.commandGlob))
}

func (g *Generator) literalCommand(first string) string {
	words := []string{first}
	for range g.IntN(3) {
		words = append(words, g.word())
	}
	return strings.Join(words, " ")
}

// word is a word that stands for itself in every operator.
func (g *Generator) word() string {
	return pick(g, "a", "b", "ab", "-x", "--", "-xa", "/app/a", "/bin/a", "é")
}

func (g *Generator) commandGlob() string {
	words := []string{pick(g, "a", "b", "a*", "*", "**", "?", "{a,b}", "{/bin,/usr/bin}/a", "[!b]", "[a-c]b", "/bin/*", "/usr/**/a", "/**", "/a/*", "/a", "{a,**}")}
	for range g.IntN(4) {
		words = append(words, pick(g, g.word(), g.word(), "*", "**", "**", "-*", "?", "[!-]*", "*a*", `x\ y`, `*\ *`, "{-x,--y}", "{a,a b}", `[a\ ]`, "/app/*", `\*`))
	}
	return strings.Join(words, " ")
}

// args returns arguments as programs get them: of any bytes but NUL, and
// possibly empty.
func (g *Generator) args() []string {
	var out []string
	for range g.IntN(5) {
		arg := pick(g, g.word(), g.word(), g.word(), g.word(), "", "x y", "-xx", "--y", "*", " ", "a b")
		if g.oneIn(12) {
			arg = string(g.mutate([]byte(arg)))
		}
		out = append(out, arg)
	}
	return out
}

package policygen

func (g *Generator) pathOp() (string, string) {
	tail := func() string { return pick(g, "a", ".env", "/b", "bin", "ab", "b/a", "..20", "..data/a") }
	piece := func() string { return pick(g, tail(), "b/", "/", "/..") }
	switch g.IntN(8) {
	case 0:
		return "equals", quoted(g.path)()
	case 1:
		return "in", g.list(quoted(g.path))
	case 2:
		return "startsWith", quoted(func() string { return g.path() + pick(g, "", "/", "a") })()
	case 3:
		return "endsWith", g.list(quoted(tail))
	case 4:
		return "contains", g.list(quoted(piece))
	case 5:
		return "glob", quoted(g.glob)()
	}
	return "glob", g.list(quoted(g.glob))
}

func (g *Generator) name() string {
	return pick(g, "a", "b", "ab", "aa", ".env", "bin", "usr", "lib", "run", "var", "proc", "self", "lock", "12", "task")
}

func (g *Generator) path() string {
	p := ""
	for range 1 + g.IntN(4) {
		p += "/" + g.name()
	}
	return p
}

func (g *Generator) glob() string {
	if g.oneIn(6) {
		return pick(g, "*.env", "a*", "?", "[!a]b", "{a,b}?", "*a*b", "**/a", "**", "/", "**/a/**/b", `\*`, "{/a,b}", "*")
	}
	p := ""
	for range 1 + g.IntN(4) {
		p += "/" + pick(g, g.name(), g.name(), g.name(), "*", "**", "a*", "*b", "?", "[a-c]", "[!a-c.]*", "{a,b}", "{a*,*b}*", "*a*", `\[`, "{ab,**}")
	}
	return p
}

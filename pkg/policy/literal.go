package policy

// Literal is the beginning of a path pattern that has no operators in it: a
// name that a tool which sees the files can look up.
type Literal struct {
	Path  string // absolute
	Whole bool   // the pattern is this path and nothing else
}

// Literals returns the literal beginnings of the value with number i of a
// condition on paths, one for each alternative of its braces. What begins with
// an operator has none, nor do endsWith and contains.
func (c *Condition) Literals(i int) []Literal {
	var pats []pathPattern
	var err *globError
	switch c.Operator {
	case OpGlob:
		pats, err = parsePathGlob(c.Values[i])
	case OpEquals, OpIn:
		pats = make([]pathPattern, 1)
		pats[0], err = parsePathLiteral(c.Values[i])
	case OpStartsWith:
		pats = make([]pathPattern, 1)
		pats[0], err = parsePathPrefix(c.Values[i])
	}
	if err != nil {
		return nil
	}
	var out []Literal
	for _, p := range pats {
		n := p.leading()
		if p.kind == patPrefix {
			n = len(p.components) - 1 // the last one is the beginning of a name
		}
		l := Literal{Whole: p.kind == patGlob && n == len(p.components)}
		for _, comp := range p.components[:n] {
			name, _ := comp.literal()
			l.Path += "/" + name
		}
		if l.Path == "" && l.Whole {
			l.Path = "/"
		}
		if l.Path != "" {
			out = append(out, l)
		}
	}
	return out
}

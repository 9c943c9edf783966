package policy

import "slices"

// Sets of bytes in patterns. None of them holds 0: see Padding in
// docs/format/policy.md.
var (
	anyByte  = rangeSet(1, 255)
	notSlash = without(anyByte, '/')
	notDot   = without(anyByte, '.')
	digit    = rangeSet('0', '9')
)

func without(s byteSet, b byte) byteSet {
	s.del(b)
	return s
}

func byteSymbols(text string) []symbol {
	out := make([]symbol, len(text))
	for i := range len(text) {
		out[i] = symbol{symByte, int32(text[i])}
	}
	return out
}

// insert adds a pattern below root and returns the node where it ends.
func (a *nfa) insert(root int32, symbols []symbol) int32 {
	for _, s := range symbols {
		root = a.follow(root, s)
	}
	return root
}

func (a *nfa) acceptAt(node int32, acc accept) {
	n := a.own(node)
	n.accept = append(n.accept, acc)
}

// acceptFrom accepts at node and whatever follows.
func (a *nfa) acceptFrom(node int32, acc accept) {
	n := a.own(a.follow(node, symbol{symLoop, a.set(anyByte)}))
	n.final = append(n.final, acc)
}

// insertPath adds a pattern over paths. volume adds the links that kubelet
// keeps inside volumes.
func (a *nfa) insertPath(root int32, p *pathPattern, volume bool, acc accept) {
	any := a.set(anyByte)
	switch p.kind {
	case patSuffix:
		a.acceptAt(a.insert(root, append([]symbol{{symLoop, any}}, byteSymbols(p.text)...)), acc)
		return
	case patContains:
		a.acceptFrom(a.insert(root, append([]symbol{{symLoop, any}}, byteSymbols(p.text)...)), acc)
		return
	}
	if n := len(p.components); n > 0 && p.components[n-1].deep {
		// What is below a directory is decided at its slash.
		at := a.walkComponents(root, p, n-1, volume)
		if n > 1 {
			a.acceptAt(at, acc)
		}
		a.acceptFrom(a.insert(at, byteSymbols("/")), acc)
		return
	}
	for _, at := range a.pathEnds(root, p, volume) {
		if p.kind == patPrefix {
			a.acceptFrom(at, acc)
		} else {
			a.acceptAt(at, acc)
		}
	}
}

// pathEnds adds the components of a pattern and returns the nodes where a
// path that matches ends.
func (a *nfa) pathEnds(root int32, p *pathPattern, volume bool) []int32 {
	n := len(p.components)
	switch {
	case n == 0:
		return []int32{a.insert(root, byteSymbols("/"))}
	case !p.components[n-1].deep:
		return []int32{a.walkComponents(root, p, n, volume)}
	}
	at := a.walkComponents(root, p, n-1, volume)
	below := a.follow(a.insert(at, byteSymbols("/")), symbol{symLoop, a.set(anyByte)})
	if n == 1 {
		return []int32{below}
	}
	return []int32{at, below}
}

// walkComponents adds the first n components.
func (a *nfa) walkComponents(at int32, p *pathPattern, n int, volume bool) int32 {
	leading := p.leading()
	for i, c := range p.components[:n] {
		if c.deep {
			at = a.follow(at, symbol{symDeep, a.set(anyByte)})
			continue
		}
		at = a.insert(at, byteSymbols("/"))
		if volume && i >= 1 && i <= leading {
			at = a.follow(at, symbol{symVolume, 0})
		}
		at = a.insert(at, a.componentSymbols(c.tokens, notSlash))
	}
	return at
}

// componentSymbols turns the tokens of a component into symbols that match at
// least one byte. within is what * and ? match.
func (a *nfa) componentSymbols(tokens []token, within byteSet) []symbol {
	in := a.set(within)
	if len(tokens) == 1 && tokens[0].kind == tokAny {
		return []symbol{{symSet, in}, {symLoop, in}}
	}
	var out []symbol
	for _, t := range tokens {
		switch t.kind {
		case tokByte:
			out = append(out, symbol{symByte, int32(t.b)})
		case tokOne:
			out = append(out, symbol{symSet, in})
		case tokSet:
			out = append(out, symbol{symSet, a.set(*t.set)})
		case tokAny:
			out = append(out, symbol{symLoop, in})
		case tokDigits:
			d := a.set(digit)
			out = append(out, symbol{symSet, d}, symbol{symLoop, d})
		}
	}
	return out
}

// insertHost adds a pattern over host names, which are read from the end.
func (a *nfa) insertHost(root int32, p *hostPattern, acc accept) {
	switch p.kind {
	case hostExact:
		a.acceptAt(a.insert(root, byteSymbols(reversed(p.text))), acc)
	case hostSuffix:
		at := a.insert(root, byteSymbols(reversed(p.text)))
		a.acceptFrom(a.follow(at, symbol{symSet, a.set(anyByte)}), acc)
	case hostGlob:
		var symbols []symbol
		for i := len(p.labels) - 1; i >= 0; i-- {
			label := a.componentSymbols(p.labels[i].tokens, notDot)
			slices.Reverse(label)
			symbols = append(symbols, label...)
			if i > 0 {
				symbols = append(symbols, symbol{symByte, '.'})
			}
		}
		a.acceptAt(a.insert(root, symbols), acc)
	}
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

package policy

import (
	"fmt"
	"strings"
)

// token is one element of a glob inside a component.
type token struct {
	kind tokenKind
	b    byte     // tokByte
	set  *byteSet // tokSet: never holds the separator or 0
}

type tokenKind uint8

const (
	tokByte   tokenKind = iota
	tokOne              // ? : one byte
	tokSet              // [...]: one byte of a set
	tokAny              // * : any run
	tokDigits           // one or more digits; made for /proc/self only
	tokDeep             // ** ; never inside a finished component
	tokSep              // the separator; never inside a finished component
)

// component is what stands between two separators.
type component struct {
	deep   bool // **: any number of components
	tokens []token
}

// literal returns the text of a component without operators.
func (c component) literal() (string, bool) {
	if c.deep {
		return "", false
	}
	b := make([]byte, len(c.tokens))
	for i, t := range c.tokens {
		if t.kind != tokByte {
			return "", false
		}
		b[i] = t.b
	}
	return string(b), true
}

func literalComponent(text string) component {
	c := component{tokens: make([]token, len(text))}
	for i := range len(text) {
		c.tokens[i] = token{b: text[i]}
	}
	return c
}

// globError is a mistake in a pattern, at a byte offset of its text.
type globError struct {
	off       int
	msg, hint string
}

// maxAlternatives bounds what the braces of one pattern expand to.
const maxAlternatives = 256

// scanGlob reads a pattern and multiplies its braces out: each result is a
// run of tokens without alternatives.
func scanGlob(text string, sep byte) ([][]token, *globError) {
	s := globScanner{text: text, sep: sep}
	return s.scan()
}

func (s *globScanner) scan() ([][]token, *globError) {
	alts := s.sequence(0)
	if s.err == nil && s.pos < len(s.text) {
		s.fail(s.pos, "a } without its {", `write \} for the character`)
	}
	return alts, s.err
}

type globScanner struct {
	text    string
	sep     byte
	escapes bool // an escaped separator is an ordinary byte, which operators match
	pos     int
	err     *globError
}

func (s *globScanner) fail(off int, msg, hint string) {
	if s.err == nil {
		s.err = &globError{off, msg, hint}
	}
}

// sequence reads up to the end of the text or, within braces, up to the next
// comma or closing brace, which it leaves.
func (s *globScanner) sequence(depth int) [][]token {
	alts := [][]token{nil}
	for s.pos < len(s.text) && s.err == nil {
		var t token
		switch c := s.text[s.pos]; {
		case c == '}' || (c == ',' && depth > 0):
			return alts
		case c == '{':
			alts = s.product(alts, s.braces(depth+1))
			continue
		case c == '[':
			t = s.class()
		case c == '*' && strings.HasPrefix(s.text[s.pos:], "**"):
			t.kind = tokDeep
			s.pos += 2
			if s.pos < len(s.text) && s.text[s.pos] == '*' {
				s.fail(s.pos, "*** means nothing", "write * or **")
			}
		case c == '*':
			t.kind = tokAny
			s.pos++
		case c == '?':
			t.kind = tokOne
			s.pos++
		case c == s.sep:
			t.kind = tokSep
			s.pos++
		case c == 0:
			s.fail(s.pos, "a NUL byte, which no name contains", "")
		default:
			t.b = s.literalByte()
		}
		for i := range alts {
			alts[i] = append(alts[i], t)
		}
	}
	return alts
}

// literalByte reads one byte, which may be escaped.
func (s *globScanner) literalByte() byte {
	c := s.text[s.pos]
	s.pos++
	if c != '\\' {
		return c
	}
	if s.pos == len(s.text) {
		s.fail(s.pos-1, "a backslash with nothing after it", `write \\ for the character`)
		return 0
	}
	c = s.text[s.pos]
	s.pos++
	if (c == s.sep && !s.escapes) || c == 0 {
		s.fail(s.pos-2, fmt.Sprintf("%q cannot be escaped", c), "")
	}
	return c
}

// braces reads {a,b} from its opening brace on.
func (s *globScanner) braces(depth int) [][]token {
	open := s.pos
	if depth > 8 {
		s.fail(open, "braces nested deeper than 8 levels", "")
		return nil
	}
	var alts [][]token
	for n := 0; ; n++ {
		s.pos++
		alts = append(alts, s.sequence(depth)...)
		if s.err != nil {
			return nil
		}
		if s.pos == len(s.text) {
			s.fail(open, "a { without its }", `write \{ for the character`)
			return nil
		}
		if s.text[s.pos] == '}' {
			s.pos++
			if n == 0 {
				s.fail(open, "braces need at least two alternatives", `write \{ and \} for the characters`)
			}
			return alts
		}
	}
}

func (s *globScanner) product(left, right [][]token) [][]token {
	if len(left)*len(right) > maxAlternatives {
		s.fail(s.pos-1, fmt.Sprintf("braces expand to more than %d patterns", maxAlternatives), "write several rules")
		return nil
	}
	out := make([][]token, 0, len(left)*len(right))
	for _, l := range left {
		for _, r := range right {
			out = append(out, append(l[:len(l):len(l)], r...))
		}
	}
	return out
}

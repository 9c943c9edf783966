package dialect

import (
	"fmt"
	"regexp/syntax"
	"strings"
)

const writeGlob = `the language has no regular expressions; write glob, startsWith, endsWith, contains or equals`

// plainOf turns regular expressions that are a plain beginning, end, part or
// whole into that operator.
func plainOf(c condition, denies, anyCase bool) (condition, error) {
	out := c
	out.values = nil
	for i, v := range c.values {
		op, plain, err := c.plain(v, denies, anyCase)
		if err != nil {
			return c, refusal(c.at, fmt.Sprintf("%s %q: %v", c.word, v, err), writeGlob)
		}
		if i > 0 && op != out.op {
			return c, refusal(c.at, fmt.Sprintf("%s with values of which one is %s and another %s", c.word, out.op, op), "write one rule for each")
		}
		out.op, out.values = op, append(out.values, plain)
	}
	if len(c.values) == 0 {
		out.op, out.list = "in", true // an empty list matches nothing
	}
	return out, nil
}

func (c *condition) plain(v string, denies, anyCase bool) (op, plain string, err error) {
	if !strings.EqualFold(c.word, "pattern") {
		return plainRegex(v, denies, anyCase)
	}
	// A pattern is a regular expression in some documents and a glob in others.
	switch {
	case strings.ContainsAny(v, `^$\`):
		return plainRegex(v, denies, anyCase)
	case strings.Contains(v, ".*") || strings.ContainsAny(v, "+(|)"):
		return "", "", fmt.Errorf("it may be a glob or a regular expression")
	case strings.ContainsAny(v, "*?[{"):
		return "glob", v, nil
	case denies:
		return "contains", v, nil
	}
	return "equals", v, nil
}

// plainRegex reads a regular expression that is searched for, as JavaScript's
// test does.
func plainRegex(v string, denies, anyCase bool) (op, plain string, err error) {
	re, err := syntax.Parse(v, syntax.Perl)
	if err != nil {
		return "", "", fmt.Errorf("no regular expression: %w", err)
	}
	r := regexReader{denies: denies, anyCase: anyCase}
	if err := r.read(re); err != nil {
		return "", "", err
	}
	if r.text == "" {
		return "", "", fmt.Errorf("it matches everything: leave the matcher out")
	}
	switch {
	case r.begin && r.end:
		op = "equals"
	case r.begin:
		op = "startsWith"
	case r.end:
		op = "endsWith"
	default:
		op = "contains"
	}
	return op, r.text, nil
}

// regexReader takes an expression apart, from left to right.
type regexReader struct {
	denies, anyCase bool
	begin, end      bool // anchored
	any             bool // .* before what comes next
	closed          bool // nothing may follow
	text            string
}

func (r *regexReader) read(re *syntax.Regexp) error {
	switch re.Op {
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			if err := r.read(sub); err != nil {
				return err
			}
		}
		return nil
	case syntax.OpEmptyMatch:
		return nil
	case syntax.OpBeginText:
		if r.text != "" || r.any || r.begin {
			return notPlain(re)
		}
		r.begin = true
		return nil
	case syntax.OpEndText:
		if r.closed {
			return notPlain(re)
		}
		r.end, r.closed = !r.any, true
		return nil
	case syntax.OpStar:
		if !isAny(re.Sub[0]) {
			return notPlain(re)
		}
		if r.text == "" {
			r.begin = false
			return nil
		}
		r.any = true
		return nil
	case syntax.OpPlus:
		// Behind a slash something always follows.
		if !isAny(re.Sub[0]) || !strings.HasSuffix(r.text, "/") {
			return notPlain(re)
		}
		r.any = true
		return nil
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 && !r.anyCase {
			return fmt.Errorf("it ignores case, which no path and no command does")
		}
		if r.anyCase {
			return r.literal(re, strings.ToLower(string(re.Rune)))
		}
		return r.literal(re, string(re.Rune))
	}
	if isAny(re) {
		if r.denies {
			return fmt.Errorf(`a dot that stands for any character; write \. for a dot`)
		}
		return r.literal(re, ".") // narrower, and what was meant
	}
	return notPlain(re)
}

func (r *regexReader) literal(re *syntax.Regexp, s string) error {
	if r.any || r.closed {
		return notPlain(re)
	}
	r.text += s
	return nil
}

func isAny(re *syntax.Regexp) bool {
	return re.Op == syntax.OpAnyChar || re.Op == syntax.OpAnyCharNotNL
}

func notPlain(re *syntax.Regexp) error {
	return fmt.Errorf("%s is more than a beginning, an end or a literal", re)
}

package dialect

import (
	"fmt"
	"slices"
	"strings"
)

// command turns a condition on a command line as one text into one on words.
func (w *writer) command(c condition) (condition, error) {
	out := c
	out.values = nil
	for _, v := range c.values {
		switch c.op {
		case "glob":
			s, ok := w.commandGlob(v)
			if !ok {
				return c, refusal(c.at, fmt.Sprintf("command %q: a * within a word can stand for several words here, and for one in the language", v), "write the words out, or ** for any number of words")
			}
			v = s
		case "equals", "in":
			v = strings.Join(strings.Fields(v), " ")
		default:
			return w.partOfCommand(c)
		}
		out.values = append(out.values, v)
	}
	return out, nil
}

// partOfCommand keeps the operator where all values mean the same by words: in a
// rule that allows, where the words are whole (go does not match gofoo, which is
// narrower), and in one that denies, where a space says that they are. All
// others become globs.
func (w *writer) partOfCommand(c condition) (condition, error) {
	out := c
	out.values = nil
	whole := !slices.ContainsFunc(c.values, func(v string) bool {
		if w.denies {
			return c.op != "startsWith" || !strings.HasSuffix(v, " ")
		}
		return strings.TrimSpace(v) != v
	})
	if !whole {
		out.op = "glob"
	}
	for _, v := range c.values {
		words := strings.Fields(v)
		switch {
		case len(words) == 0:
			return c, refusal(c.at, fmt.Sprintf("command %q: no word in it", v), "leave the matcher out")
		case whole:
			out.values = append(out.values, strings.Join(words, " "))
		case w.denies:
			out.values = append(out.values, wide(c.op, v))
		default:
			s, ok := narrow(c.op, v)
			if !ok {
				return c, refusal(c.at, fmt.Sprintf("command %q never %s a command", v, c.op), "leave the space out")
			}
			out.values = append(out.values, s)
		}
	}
	return out, nil
}

// wide is a glob over words for a beginning, an end or a part of the text, also
// in the middle of a word.
func wide(op, v string) string {
	s := globWords(v)
	switch {
	case op == "endsWith":
	case op == "startsWith" && strings.HasSuffix(v, " "):
		s += " **"
	default:
		s += "* **"
	}
	if op != "startsWith" {
		s = "** *" + s
	}
	return s
}

// narrow is a glob over words for a beginning, an end or a part of the text that
// is whole words. A space at its edge asks for one more word there.
func narrow(op, v string) (string, bool) {
	s := globWords(v)
	before, after := strings.HasPrefix(v, " "), strings.HasSuffix(v, " ")
	if before && op == "startsWith" || after && op == "endsWith" {
		return "", false
	}
	if after {
		s += " *"
	}
	if before {
		s = "* " + s
	}
	if op != "endsWith" {
		s += " **"
	}
	if op != "startsWith" {
		s = "** " + s
	}
	return s, true
}

func globWords(v string) string {
	words := strings.Fields(v)
	for i, word := range words {
		words[i] = escapeGlob(word)
	}
	return strings.Join(words, " ")
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`, "{", `\{`, "}", `\}`, ",", `\,`).Replace(s)
}

// commandGlob turns a glob over the text, in which * crosses spaces, into one
// over words.
func (w *writer) commandGlob(v string) (string, bool) {
	words := strings.Fields(v)
	var out []string
	for i, word := range words {
		inner := word
		switch {
		case word == "*": // one word at least
			if !w.denies {
				out = append(out, "*")
			}
			out = append(out, "**")
			continue
		case i == 0 && strings.HasPrefix(word, "*"):
			out = append(out, "**")
			inner = inner[1:]
		}
		if i == len(words)-1 && strings.HasSuffix(word, "*") {
			out = append(out, word, "**")
			inner = strings.TrimSuffix(inner, "*")
		} else {
			out = append(out, word)
		}
		if strings.Contains(inner, "*") && w.denies {
			return "", false
		}
	}
	return strings.Join(out, " "), true
}

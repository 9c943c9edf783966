package dialect

import (
	"fmt"
	"strings"
)

// command turns a condition on a command line as one text into one on words.
func (w *writer) command(c condition) (condition, error) {
	out := c
	out.values = nil
	for _, v := range c.values {
		switch {
		case c.op == "glob":
			s, ok := w.commandGlob(v)
			if !ok {
				return c, refusal(c.at, fmt.Sprintf("command %q: a * within a word can stand for several words here, and for one in the language", v), "write the words out, or ** for any number of words")
			}
			v = s
		case c.op == "equals" || c.op == "in":
			v = strings.Join(strings.Fields(v), " ")
		case !w.denies || c.op == "startsWith" && strings.HasSuffix(v, " "):
			// By whole words, which is narrower: go does not match gofoo.
			v = strings.Join(strings.Fields(v), " ")
		default:
			v = wide(c.op, v)
			out.op = "glob"
		}
		out.values = append(out.values, v)
	}
	return out, nil
}

// wide is a glob over words for a beginning, an end or a part of the text, also
// in the middle of a word.
func wide(op, v string) string {
	words := strings.Fields(v)
	for i, word := range words {
		words[i] = escapeGlob(word)
	}
	s := strings.Join(words, " ")
	if op == "startsWith" || op == "contains" {
		s += "* **"
	}
	if op == "endsWith" || op == "contains" {
		s = "** *" + s
	}
	return s
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
		case word == "*":
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

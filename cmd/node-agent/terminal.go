package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// useColor reports whether w is a terminal whose user did not ask for plain text.
func useColor(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && isTerminal(f)
}

// The colours of texts for people.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// printable keeps names from steering the terminal.
func printable(s string) string {
	q := fmt.Sprintf("%q", s)
	return q[1 : len(q)-1]
}

// sentence is printable for text that has quotes of its own.
func sentence(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(printable(string(r)))
		}
	}
	return b.String()
}

// shown is a text of several lines as a terminal may see it: whatever is in it,
// only colours that are meant to be there steer anything.
func shown(text string, colors bool) string {
	var b strings.Builder
	for len(text) > 0 {
		if n := colorAt(text); colors && n > 0 {
			b.WriteString(text[:n])
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		if r == '\n' || r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteString(sentence(text[:n]))
		}
		text = text[n:]
	}
	return b.String()
}

// colorAt returns the length of the colour that a text begins with, or 0.
func colorAt(text string) int {
	for _, c := range []string{red, green, yellow, plain} {
		if strings.HasPrefix(text, c) {
			return len(c)
		}
	}
	return 0
}

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
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

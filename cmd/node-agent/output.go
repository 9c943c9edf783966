package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// outputFormat is the value of -o: text for people, json for programs.
type outputFormat string

// outputFlag gives a command the flag -o.
func outputFlag(c *cobra.Command) *outputFormat {
	f := outputFormat("text")
	c.Flags().VarP(&f, "output", "o", "text or json")
	return &f
}

func (f *outputFormat) String() string { return string(*f) }
func (f *outputFormat) Type() string   { return "format" }

func (f *outputFormat) Set(s string) error {
	if s != "text" && s != "json" {
		return errors.New("it is text or json")
	}
	*f = outputFormat(s)
	return nil
}

// print writes v as JSON, or what text writes.
func (f *outputFormat) print(w io.Writer, v any, text func(w *textWriter)) error {
	if *f == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	t := &textWriter{color: useColor(w)}
	text(t)
	_, err := io.WriteString(w, shown(t.String(), t.color))
	return err
}

// textWriter collects text for people, coloured where a terminal shows it.
type textWriter struct {
	strings.Builder
	color bool
}

// in returns s in a colour, if there are colours.
func (t *textWriter) in(color, s string) string {
	if !t.color {
		return s
	}
	return color + s + plain
}

// table writes rows in columns as wide as they need to be. The last column is
// not padded. paint, if any, colours a cell after it was measured.
func (t *textWriter) table(rows [][]string, paint func(row, column int) string) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for r, row := range rows {
		for i, cell := range row {
			pad := ""
			if i < len(row)-1 {
				pad = strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2)
			}
			if paint != nil {
				if color := paint(r, i); color != "" {
					cell = t.in(color, cell)
				}
			}
			t.WriteString(cell + pad)
		}
		t.WriteByte('\n')
	}
}

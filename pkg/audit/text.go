// SPDX-License-Identifier: MIT

package audit

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safe makes a value fit for a terminal: what does not print is shown escaped,
// so a path cannot move the cursor, change colours or turn the text around.
func safe(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unprintable(r) {
			fmt.Fprintf(&b, `\u{%x}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// safeLine is a line of a log with every character escaped that the encoder
// escapes. Lines that the encoder wrote are unchanged and stay JSON.
func safeLine(line []byte) string {
	b := make([]byte, 0, len(line)+16)
	for _, r := range string(line) {
		if r < ' ' || r == 0x7f || r > 0x7f && invisible(r) {
			b = appendEscape(b, r)
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

type paint bool

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
	bold   = "1"
)

func (p paint) text(code, s string) string {
	if !p || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer, color bool) error {
	p := paint(color)
	word, code := r.verdictWord()
	_, err := fmt.Fprintf(w, "%s  %s\n", p.text(bold+";"+code, word), safe(r.Path))
	line := func(label, format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, "  %-12s %s\n", label, safe(fmt.Sprintf(format, args...)))
		}
	}
	if r.Origin != "" {
		line("log", "%s", r.Origin)
	}
	if r.Records > 0 {
		line("records", "%d in %d segment(s), %d to %d", r.Records, len(r.Segments), r.FirstSeq, r.LastSeq)
		line("time", "%s to %s", r.FirstTime, r.LastTime)
	}
	if c := r.Committed; c != nil {
		line("committed", "up to record %d, %d commits", c.Seq, r.Commits)
		line("root", "%s (%d records)", c.Root, c.Size)
	}
	for _, a := range r.Anchors {
		line("anchor", "%s: %d records, %s", a.Source, a.Size, a.State)
	}
	line("decisions", "%d deny, %d would-deny, %d audit, %d allow", r.Verdicts["deny"], r.Verdicts["would-deny"], r.Verdicts["audit"], r.Verdicts["allow"])
	r.Balance.lines(line)
	for _, s := range r.Statement {
		if err == nil {
			_, err = fmt.Fprintf(w, "- %s\n", safe(s))
		}
	}
	return err
}

// lines prints the balance: a line for each load of the kernel programs, and for
// each CPU of the last one and of those where something is missing.
func (b *Balance) lines(line func(label, format string, args ...any)) {
	cpus := b.CPUs
	for i := range b.ByLoad {
		l := &b.ByLoad[i]
		counted := ""
		if l.KernelCounted > 0 || l.Counted > 0 {
			counted = fmt.Sprintf("; allows counted %d, by the kernel %d", l.Counted, l.KernelCounted)
		}
		line("balance", "boot %.12s, load %.12s, %d cpus: %d in the log, %d declared lost, %d unexplained, %d open%s", l.BootID, l.LoadID, l.CPUs, l.Seen, l.Declared, l.Unexplained, l.Open, counted)
		for len(cpus) > 0 && cpus[0].BootID == l.BootID && cpus[0].LoadID == l.LoadID {
			c := &cpus[0]
			cpus = cpus[1:]
			if i < len(b.ByLoad)-1 && c.Unexplained == 0 {
				continue
			}
			gap := ""
			if c.FirstGap != nil {
				gap = fmt.Sprintf(", first gap %d to %d", c.FirstGap.From, c.FirstGap.To)
			}
			line("", "cpu %d, to %d: %d in the log, %d declared lost, %d unexplained, %d open%s", c.CPU, c.Last, c.Seen, c.Declared, c.Unexplained, c.Open, gap)
		}
	}
}

func (r *Report) verdictWord() (word, color string) {
	switch r.Verdict {
	case Tampered:
		return "TAMPERED", red
	case LossUnexplained:
		return "UNEXPLAINED LOSS", red
	case Incomplete:
		return "INCOMPLETE", yellow
	case Unanchored:
		return "HOLDS, UNANCHORED", yellow
	}
	return "PROVEN", green
}

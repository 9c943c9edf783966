package dialect

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// emit writes the canonical document, and says on which line each rule begins.
func (im *importer) emit() (out []byte, lines []int) {
	var b strings.Builder
	for _, e := range im.fields {
		writeField(&b, "", e)
	}
	switch {
	case len(im.rules) == 0 || !slices.ContainsFunc(im.rules, func(r outRule) bool { return r.comment == "" }):
		b.WriteString("rules: []\n")
	default:
		b.WriteString("rules:\n")
	}
	for _, r := range im.rules {
		lines = append(lines, strings.Count(b.String(), "\n")+1)
		if r.comment != "" {
			fmt.Fprintf(&b, "  # not imported: %s (line %d): %s\n", oneLine(r.name), r.src.Line, oneLine(r.comment))
			continue
		}
		for i, e := range r.fields {
			indent := "    "
			if i == 0 {
				b.WriteString("  - ")
				indent = ""
			}
			writeField(&b, indent, e)
		}
	}
	return []byte(b.String()), lines
}

func oneLine(s string) string { return strings.Trim(strconv.Quote(s), `"`) }

func writeField(b *strings.Builder, indent string, e entry) {
	fmt.Fprintf(b, "%s%s: %s\n", indent, e.name, flow(e.val))
}

// flow writes a value on one line.
func flow(n *policy.Node) string {
	var parts []string
	switch n.Kind {
	case policy.Map:
		for i, k := range n.Keys {
			parts = append(parts, scalar(text(k.Text))+": "+flow(n.Values[i]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case policy.List:
		for _, v := range n.Values {
			parts = append(parts, flow(v))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return scalar(n)
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z/_][A-Za-z0-9/_.-]*$`)
	yamlWord  = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n)$`)
)

// scalar quotes a text where YAML would read it as something else. What
// strconv.Quote escapes, YAML escapes the same way.
func scalar(n *policy.Node) string {
	switch {
	case n.Tag != "!!str":
		return n.Text
	case plainText.MatchString(n.Text) && !yamlWord.MatchString(n.Text):
		return n.Text
	}
	return strconv.Quote(n.Text)
}

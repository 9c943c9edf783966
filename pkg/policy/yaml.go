package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// ynode is a YAML node without what the language refuses: anchors, aliases,
// merge keys, tags and duplicate keys are reported while it is made.
type ynode struct {
	kind      ykind
	line, col int
	text      string // scalars: the value
	tag       string // scalars: "!!str", "!!int", ...
	quoted    bool   // scalars: the text starts one byte after col
	block     bool   // scalars: literal block style
	keys      []*ynode
	vals      []*ynode // values of keys, or the items of a sequence
}

type ykind uint8

const (
	yScalar ykind = iota
	yMap
	ySeq
)

func (k ykind) String() string { return [...]string{"a value", "a map", "a list"}[k] }

// get returns the value of a key of a map, or nil.
func (n *ynode) get(key string) *ynode {
	for i, k := range n.keys {
		if k.text == key {
			return n.vals[i]
		}
	}
	return nil
}

type yamlReporter func(line, col int, word, msg, hint string)

// decodeYAML parses exactly one document. It returns nil after reporting when
// there is nothing to go on with.
func decodeYAML(src []byte, report yamlReporter) (root *ynode) {
	defer func() {
		if r := recover(); r != nil {
			report(1, 1, "", fmt.Sprintf("malformed YAML: %v", r), "")
			root = nil
		}
	}()
	if line, col, ok := tooDeep(src); ok {
		report(line, col, "", fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			report(1, 1, "", "the document is empty", "")
		} else {
			reportSyntax(err, report)
		}
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		report(second.Line, second.Column, "---", "a second document; a policy is exactly one", "")
	} else if !errors.Is(err, io.EOF) {
		reportSyntax(err, report)
	}
	if len(doc.Content) != 1 {
		report(1, 1, "", "the document is empty", "")
		return nil
	}
	return convert(doc.Content[0], 0, report)
}

func convert(n *yaml.Node, depth int, report yamlReporter) *ynode {
	out := &ynode{line: n.Line, col: n.Column}
	if depth > maxDepth {
		report(n.Line, n.Column, "", fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
		return out
	}
	if n.Anchor != "" {
		report(n.Line, n.Column, "&"+n.Anchor, "anchors are not part of the language", "write the value out")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		report(n.Line, n.Column, n.Tag, "tags are not part of the language", "leave "+n.Tag+" out")
	}
	switch n.Kind {
	case yaml.AliasNode:
		report(n.Line, n.Column, "*"+n.Value, "aliases are not part of the language", "write the value out")
		out.tag = "!!alias"
	case yaml.ScalarNode:
		out.text, out.tag = n.Value, n.ShortTag()
		out.quoted = n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
		out.block = n.Style&yaml.LiteralStyle != 0
	case yaml.SequenceNode:
		out.kind = ySeq
		for _, c := range n.Content {
			out.vals = append(out.vals, convert(c, depth+1, report))
		}
	case yaml.MappingNode:
		out.kind = yMap
		convertMap(out, n, depth, report)
	}
	return out
}

func convertMap(out *ynode, n *yaml.Node, depth int, report yamlReporter) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := convert(n.Content[i], depth+1, report)
		val := convert(n.Content[i+1], depth+1, report)
		if key.kind != yScalar {
			report(key.line, key.col, "", "a key must be a word", "")
			continue
		}
		if key.tag == "!!merge" {
			report(key.line, key.col, key.text, "merge keys are not part of the language", "write the fields out")
			continue
		}
		if line, dup := first[key.text]; dup {
			report(key.line, key.col, key.text, fmt.Sprintf("duplicate key %q, first on line %d", key.text, line), "")
			continue
		}
		first[key.text] = key.line
		out.keys = append(out.keys, key)
		out.vals = append(out.vals, val)
	}
}

var syntaxLine = regexp.MustCompile(`line (\d+): `)

// reportSyntax takes the line out of an error of the YAML library.
func reportSyntax(err error, report yamlReporter) {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := syntaxLine.FindStringSubmatch(msg); m != nil {
		if n, convErr := strconv.Atoi(m[1]); convErr == nil && n > 0 {
			line = n
		}
		msg = strings.Replace(msg, m[0], "", 1)
	}
	report(line, 1, "", "malformed YAML: "+msg, "")
}

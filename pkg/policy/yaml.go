package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

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

// get returns the value of a key of a map, or nil; also of nil.
func (n *ynode) get(key string) *ynode {
	if n == nil {
		return nil
	}
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
	docs := decodeDocuments(src, report, 2)
	if len(docs) == 0 || len(docs[0].Content) != 1 {
		return nil
	}
	if len(docs) > 1 {
		report(docs[1].Line, docs[1].Column, "---", "a second document; a policy is exactly one", "")
	}
	return convert(docs[0].Content[0], 0, report)
}

// yamlDocument is a document of a stream and what was reported about it.
type yamlDocument struct {
	root *ynode
	errs ErrorList
}

// decodeYAMLStream parses a file of any number of documents. The second result
// is what makes the rest of it unreadable.
func decodeYAMLStream(src []byte) (docs []yamlDocument, broken ErrorList) {
	to := func(list *ErrorList) yamlReporter {
		return func(line, col int, word, msg, hint string) {
			*list = append(*list, &Error{Line: line, Col: col, Word: word, Msg: msg, Hint: hint})
		}
	}
	defer func() {
		if r := recover(); r != nil {
			to(&broken)(1, 1, "", fmt.Sprintf("malformed YAML: %v", r), "")
		}
	}()
	if line, col, ok := tooDeep(src); ok {
		to(&broken)(line, col, "", fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
		return nil, broken
	}
	for _, d := range decodeDocuments(src, to(&broken), maxDocuments) {
		var doc yamlDocument
		if len(d.Content) == 1 && d.Content[0].ShortTag() != "!!null" {
			doc.root = convert(d.Content[0], 0, to(&doc.errs))
			docs = append(docs, doc)
		}
	}
	return docs, broken
}

// maxDocuments bounds the documents that are read of one file.
const maxDocuments = 10_000

// decodeDocuments reads at most limit documents, and reports what ends them early.
func decodeDocuments(src []byte, report yamlReporter, limit int) (docs []yaml.Node) {
	if line, col, ok := notUTF8(src); ok {
		report(line, col, "", "not UTF-8 text", "save the file as UTF-8; a name with other bytes is matched by ? for each of them")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(src))
	for len(docs) < limit {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case err == nil:
			docs = append(docs, doc)
		case !errors.Is(err, io.EOF):
			reportSyntax(err, report)
			return docs
		default:
			if len(docs) == 0 {
				report(1, 1, "", "the document is empty", "")
			}
			return docs
		}
	}
	return docs
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

// notUTF8 finds the first byte that belongs to no character. Other encodings,
// which the YAML library would read, have no columns in bytes.
func notUTF8(src []byte) (line, col int, found bool) {
	line, col = 1, 1
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return line, col, true
		}
		if col += n; r == '\n' {
			line, col = line+1, 1
		}
		i += n
	}
	return 0, 0, false
}

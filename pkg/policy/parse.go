package policy

import (
	"fmt"
	"slices"
)

// Option changes what Parse accepts.
type Option func(*parser)

// asBaseline accepts what only the embedded baseline files may say.
func asBaseline(p *parser) { p.baseline = true }

type parser struct {
	file     string
	at       place
	errs     ErrorList
	baseline bool
	floor    bool
	tokens   int // what the patterns so far expand to
	learn    *Vocabulary
}

// What bounds the memory of a parsed policy, whatever its braces multiply to:
// the length of one pattern as written, and the elements of all of them as
// expanded, aliases included.
const (
	maxPatternBytes = 4_096
	maxTokens       = 1 << 20
)

// maxErrors bounds the list: a file that is no policy at all is full of them.
const maxErrors = 100

// Parse reads a policy, strictly. src is a policy document or a ConfigMap
// manifest that holds one under ManifestKey. The error, if any, is an
// ErrorList with everything that is wrong; name stands for the file in it.
func Parse(name string, src []byte, opts ...Option) (*Policy, error) {
	p := newParser(name, opts)
	pol := p.document(src)
	if len(p.errs) > 0 {
		p.errs.sort()
		return nil, p.errs
	}
	pol.Name = name
	return pol, nil
}

func newParser(name string, opts []Option) *parser {
	p := &parser{file: name}
	for _, opt := range opts {
		opt(p)
	}
	return p
}

func (p *parser) document(src []byte) *Policy {
	if !p.fits(src) {
		return nil
	}
	root := decodeYAML(src, p.report)
	if root == nil {
		return nil
	}
	return p.root(src, root)
}

// root reads a document of src: a policy, or a ConfigMap that holds one.
func (p *parser) root(src []byte, root *ynode) *Policy {
	if isConfigMap(root) {
		inner, at, ok := embeddedPolicy(root, src, p.report)
		if !ok || !p.fits(inner) {
			return nil
		}
		p.at = at
		src = inner
		if root = decodeYAML(src, p.report); root == nil {
			return nil
		}
	}
	pol := &Policy{
		Source: slices.Clone(src), Mode: "enforce", Entrypoint: "chain",
		OnAuditLoss: "continue", OnAgentLoss: "keep", Connections: "keep",
		Audit: Audit{CountAllows: ActionSet(0).with(ActionRead)},
	}
	p.topLevel(pol, root)
	return pol
}

func (p *parser) fits(src []byte) bool {
	if len(src) <= MaxSourceBytes {
		return true
	}
	p.report(1, 1, "", fmt.Sprintf("%d bytes; a policy has at most %d", len(src), MaxSourceBytes), "split it by pod")
	return false
}

// report adds an error at a position of the document at hand.
func (p *parser) report(line, col int, word, msg, hint string) {
	if len(p.errs) >= maxErrors {
		return
	}
	note := p.at.note(line)
	line, col = p.at.of(line, col)
	p.errs = append(p.errs, &Error{File: p.file, Line: line, Col: col, Word: word, Msg: msg + note, Hint: hint})
}

func (p *parser) fail(n *ynode, msg, hint string) {
	p.report(n.line, n.col, n.text, msg, hint)
}

func (p *parser) failf(n *ynode, format string, args ...any) {
	p.fail(n, fmt.Sprintf(format, args...), "")
}

// field is one key of a map and the function that reads its value.
type field struct {
	name string
	read func(*ynode)
}

// fields reads a map; every key must be one of known. what names the map.
func (p *parser) fields(n *ynode, what string, known []field) bool {
	p.learn.fields(what, known)
	if n.kind != yMap {
		p.failf(n, "%s must be a map, not %s", what, describe(n))
		return false
	}
	for i, key := range n.keys {
		j := slices.IndexFunc(known, func(f field) bool { return f.name == key.text })
		if j >= 0 {
			known[j].read(n.vals[i])
			continue
		}
		var names []string
		for _, f := range known {
			names = append(names, f.name)
		}
		p.fail(key, fmt.Sprintf("unknown field %q in %s", key.text, what), suggest(key.text, names))
	}
	return true
}

// word reads a string.
func (p *parser) word(n *ynode, what string) (string, bool) {
	if n.kind != yScalar || n.tag != "!!str" {
		hint := ""
		if n.kind == yScalar && n.tag != "!!null" && n.tag != "!!alias" {
			hint = fmt.Sprintf("write it in quotes: %q", n.text)
		}
		p.fail(n, fmt.Sprintf("%s must be a text, not %s", what, describe(n)), hint)
		return "", false
	}
	return n.text, true
}

// choice reads one of a few words.
func (p *parser) choice(n *ynode, what string, words ...string) (string, bool) {
	p.learn.words(what, words)
	s, ok := p.word(n, what)
	if !ok {
		return "", false
	}
	if slices.Contains(words, s) {
		return s, true
	}
	p.fail(n, fmt.Sprintf("unknown %s %q", what, s), suggest(s, words))
	return "", false
}

func describe(n *ynode) string {
	switch {
	case n.kind != yScalar:
		return n.kind.String()
	case n.tag == "!!null":
		return "empty"
	case n.tag == "!!alias":
		return "an alias"
	case n.tag == "!!str":
		return fmt.Sprintf("%q", n.text)
	}
	return n.text
}

// Package dialect reads the many spellings of SafeClaw policies, the JSON of
// its command line included, and writes them in the language's one canonical
// form.
//
// Nothing is guessed and nothing is left out silently: each change is a note,
// and a rule that the kernel cannot enforce is refused. Where another dialect
// is open to readings, a rule that allows gets the narrower one and a rule that
// denies the wider one. What a kernel never sees, the path of a URL, is left out
// with a note.
package dialect

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Options change what Import does.
type Options struct {
	// Now decides which rules have expired.
	Now time.Time
	// Partial writes the rest of a policy whose rules were refused in part,
	// with a comment in the place of each. Leaving a denial out loosens a
	// policy, so somebody has to look at it.
	Partial bool
}

// Note is a change, or a refusal, at its place in the source.
type Note struct {
	Line int    `json:"line"`
	Col  int    `json:"column"`
	Rule string `json:"rule,omitempty"` // id or rules[N]; empty for the document
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"` // of a refusal: what to do
}

// Result is an imported policy.
type Result struct {
	YAML    []byte // canonical; nil where rules were refused, unless Partial
	Notes   []Note
	Refused []Note
}

// Import reads a policy of any dialect. A policy that is canonical already
// comes back as it is. The error is a policy.ErrorList: the source could not be
// read at all.
func Import(name string, src []byte, o Options) (*Result, error) {
	if p, err := policy.Parse(name, src); err == nil {
		return &Result{YAML: p.Source}, nil
	}
	root, err := read(name, src)
	if err != nil {
		return nil, err
	}
	im := importer{now: o.Now, ids: map[string]bool{}}
	im.document(root)
	return im.finish(root, o.Partial), nil
}

func read(name string, src []byte) (*policy.Node, error) {
	if head := bytes.TrimLeft(src, " \t\r\n"); len(head) > 0 && (head[0] == '{' || head[0] == '[') && len(src) <= policy.MaxSourceBytes {
		return readJSON(name, src)
	}
	return policy.Tree(name, src)
}

// importer collects what becomes of a document.
type importer struct {
	now     time.Time
	fields  []entry // of the document
	rules   []outRule
	notes   []Note
	refused []Note
	ids     map[string]bool
	rule    string // the one at hand
}

// entry is a field of the canonical form.
type entry struct {
	name string
	val  *policy.Node
}

// outRule is a rule to be written, or the reason why it is not.
type outRule struct {
	fields  []entry
	src     *policy.Node
	name    string
	comment string
}

func (im *importer) note(at *policy.Node, text string) {
	im.notes = append(im.notes, Note{Line: at.Line, Col: at.Col, Rule: im.rule, Text: text})
}

func (im *importer) refuse(at *policy.Node, text, hint string) {
	im.refused = append(im.refused, Note{Line: at.Line, Col: at.Col, Rule: im.rule, Text: text, Hint: hint})
}

// refusalError says why a rule cannot be imported.
type refusalError struct {
	at         *policy.Node
	text, hint string
}

func (e *refusalError) Error() string { return e.text }

func refusal(at *policy.Node, text, hint string) error { return &refusalError{at, text, hint} }

// finish writes what was imported, and has the strict parser judge it. What the
// parser refuses is a refusal of the rule that it was made of.
func (im *importer) finish(root *policy.Node, partial bool) *Result {
	for range maxRounds {
		text, lines := im.emit()
		_, err := policy.Parse("imported", text)
		if err == nil {
			res := im.result()
			res.YAML = text
			if len(im.refused) > 0 && !partial {
				res.YAML = nil
			}
			return res
		}
		if !im.blame(err, lines, root) {
			return im.result()
		}
	}
	im.rule = ""
	im.refuse(root, "more rules are refused than are told at once", "mend or remove those that are named, and import again")
	return im.result()
}

// maxRounds bounds how often the parser judges what was written: each time names
// up to a hundred errors, or one limit that all rules exceed together.
const maxRounds = 3

// result has no notes about rules that were refused.
func (im *importer) result() *Result {
	refused := func(n Note) bool {
		return n.Rule != "" && slices.ContainsFunc(im.refused, func(r Note) bool { return r.Rule == n.Rule })
	}
	res := &Result{Notes: slices.DeleteFunc(im.notes, refused), Refused: im.refused}
	byPlace := func(a, b Note) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) }
	slices.SortStableFunc(res.Notes, byPlace)
	slices.SortStableFunc(res.Refused, byPlace)
	return res
}

// blame turns errors in the text that was written into refusals. It reports
// whether the rest may be better without the rules to blame.
func (im *importer) blame(err error, lines []int, root *policy.Node) bool {
	var list policy.ErrorList
	if !errors.As(err, &list) {
		im.rule = ""
		im.refuse(root, err.Error(), "")
		return false
	}
	progress, whole := false, true
	for _, e := range list {
		i := -1
		for j, line := range lines {
			if line <= e.Line {
				i = j
			}
		}
		if i < 0 {
			im.rule, whole = "", false
			im.refuse(root, e.Msg, e.Hint)
			continue
		}
		r := &im.rules[i]
		im.rule = r.name
		im.refuse(r.src, e.Msg, e.Hint)
		if r.comment == "" {
			r.comment, progress = e.Msg, true
		}
	}
	return progress && whole
}

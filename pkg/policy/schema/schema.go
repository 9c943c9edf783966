// Package schema writes the JSON Schema of the policy language, for editors.
//
// Names of fields, words and operators come from the parser (policy.Language);
// this package adds the shapes of their values and a line of explanation. A
// field that one side knows and the other does not is an error.
//
// A schema cannot say everything that the parser checks: each policy that the
// parser accepts is valid here, and most, but not all, others are not.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// ID is the identifier of the schema.
const ID = "https://safeclaw.dev/schema/policy-v1.json"

// node is a part of a schema.
type node = map[string]any

// Generate returns the schema, draft 2020-12. The same program writes the same
// bytes.
func Generate() ([]byte, error) {
	g := generator{lang: policy.Language()}
	root := g.document()
	if g.err != nil {
		return nil, g.err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return b.Bytes(), nil
}

type generator struct {
	lang policy.Vocabulary
	err  error
}

// object is a map with exactly the fields that the parser knows under what.
func (g *generator) object(what string, fields map[string]node) node {
	known := g.lang.Fields[what]
	for _, name := range known {
		if fields[name] == nil {
			g.fail("%s has a field %q that the schema does not know", what, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			g.fail("the schema has a field %q that %s does not have", name, what)
		}
	}
	return node{"type": "object", "additionalProperties": false, "properties": fields}
}

// words is one of the words that the parser knows under what.
func (g *generator) words(what, description string) node {
	words := g.lang.Words[what]
	if len(words) == 0 {
		g.fail("the parser has no words for %q", what)
	}
	return node{"enum": words, "description": description}
}

func (g *generator) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("make schema: "+format, args...)
	}
}

// about adds a description to a shape.
func about(n node, description string) node {
	out := maps.Clone(n)
	out["description"] = description
	return out
}

// oneOrMore accepts a value or a list of such values.
func oneOrMore(item node) node {
	return node{"anyOf": []node{item, {"type": "array", "items": item}}}
}

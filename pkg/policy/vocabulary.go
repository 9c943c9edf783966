package policy

import "slices"

// Vocabulary is what the parser knows, by what its messages call the place:
// the fields of each map and the words of each choice. It is recorded from the
// parser at work, so what is made of it cannot drift from the language.
type Vocabulary struct {
	Fields map[string][]string // "the policy", "a rule", "audit", "audit of file.read", "builtin", "dns"
	Words  map[string][]string // "mode", "action", "decision", ...
	// Operators of a matcher. A host has no startsWith and no contains.
	Operators []string
}

// wholeLanguage leads the parser to every map and every choice.
const wholeLanguage = `version: 1
defaultAction: deny
mode: enforce
baseline: image
entrypoint: chain
onAuditLoss: continue
onAgentLoss: keep
connections: keep
builtin: {}
dns: {tcp: allow}
audit: {allow: each, deny: each, file.read: {}, file.write: {}, file.delete: {}, "file.*": {}, process.exec: {}, network.request: {}}
rules:
  - {action: network.request, protocol: tcp, decision: deny}
`

// Language returns the vocabulary of the policy language.
func Language() Vocabulary {
	v := Vocabulary{Fields: map[string][]string{}, Words: map[string][]string{}, Operators: slices.Clone(operatorNames[:])}
	p := &parser{file: "language", learn: &v}
	p.document([]byte(wholeLanguage))
	return v
}

func (v *Vocabulary) fields(what string, known []field) {
	if v == nil {
		return
	}
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	v.Fields[what] = names
}

func (v *Vocabulary) words(what string, words []string) {
	if v != nil {
		v.Words[what] = slices.Clone(words)
	}
}

package policy

import (
	"bytes"
	"fmt"
	"strings"
)

// ManifestKey is the key of a ConfigMap that holds a policy.
const ManifestKey = "safeclaw.policy.yaml"

// place turns a position in an embedded document into one in the file around
// it. Quoted and folded scalars keep no positions: there every error stands
// where the scalar starts, and says on which of its own lines it is.
type place struct {
	embedded  bool
	exact     bool
	line, col int
}

func (p place) of(line, col int) (int, int) {
	switch {
	case !p.embedded:
		return line, col
	case p.exact:
		return p.line + line, p.col + col
	}
	return p.line, p.col
}

// note is what a message needs besides the position.
func (p place) note(line int) string {
	if p.embedded && !p.exact {
		return fmt.Sprintf(" (line %d of %s; write it as a block, %s: |, for exact positions)", line, ManifestKey, ManifestKey)
	}
	return ""
}

func isConfigMap(root *ynode) bool {
	kind := root.get("kind")
	return kind != nil && kind.text == "ConfigMap"
}

// embeddedPolicy returns the policy inside a ConfigMap manifest.
func embeddedPolicy(root *ynode, src []byte, report yamlReporter) ([]byte, place, bool) {
	data := root.get("data")
	if data == nil || data.kind != yMap {
		report(root.line, root.col, "ConfigMap", "a ConfigMap without data", "put the policy under data: "+ManifestKey)
		return nil, place{}, false
	}
	text := data.get(ManifestKey)
	if text == nil {
		report(data.line, data.col, "data", "a ConfigMap without the key "+ManifestKey, "")
		return nil, place{}, false
	}
	if text.kind != yScalar || text.tag != "!!str" {
		report(text.line, text.col, text.text, ManifestKey+" must be a text", "write "+ManifestKey+": |")
		return nil, place{}, false
	}
	at := place{embedded: true, line: text.line, col: text.col}
	if text.block {
		at.exact = true
		at.col = blockIndent(src, text)
	}
	return []byte(text.text), at, true
}

// blockIndent returns the indentation that a block scalar's text lost.
func blockIndent(src []byte, text *ynode) int {
	lines := bytes.Split(src, []byte("\n"))
	for i, inner := range strings.Split(text.text, "\n") {
		if strings.TrimSpace(inner) == "" || text.line+i >= len(lines) {
			continue
		}
		outer := lines[text.line+i]
		return max(0, len(bytes.TrimRight(outer, "\r"))-len(inner))
	}
	return 0
}

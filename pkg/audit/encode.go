// SPDX-License-Identifier: MIT

package audit

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"unicode/utf8"
)

// encoder appends JSON members to b. It allocates nothing but the growth of b.
type encoder struct {
	b []byte
	// Limits of the pass: bytes of a text shown readable, and bytes of a text
	// kept exactly beside it. See limits.
	text, exact int
}

// limits are tried in turn until a record fits MaxRecord: first readable texts
// shrink, then the exact bytes beside them.
var limits = [...]struct{ text, exact int }{
	{4096, 4096}, {1024, 4096}, {256, 4096}, {64, 1024}, {64, 0},
}

// appendBody appends everything of a line from "kind" to the closing brace.
func appendBody(b []byte, rec Record) ([]byte, error) {
	e := encoder{b: b}
	err := e.body(rec)
	return e.b, err
}

// body is appendBody into e.b; it leaves e.b as it was if it fails.
func (e *encoder) body(rec Record) error {
	start := len(e.b)
	for _, l := range limits {
		e.text, e.exact = l.text, l.exact
		e.b = append(e.b[:start], `"kind":"`...)
		e.b = append(e.b, rec.Kind()...)
		e.b = append(e.b, '"')
		rec.appendFields(e)
		e.close()
		if len(e.b)-start <= maxBody {
			return nil
		}
	}
	e.b = e.b[:start]
	return ErrRecordTooLarge
}

// key writes a member's name, and the comma before it unless it opens an object.
func (e *encoder) key(k string) {
	if e.b[len(e.b)-1] != '{' {
		e.b = append(e.b, ',')
	}
	e.b = append(e.b, '"')
	e.b = append(e.b, k...)
	e.b = append(e.b, '"', ':')
}

func (e *encoder) open(k string) {
	e.key(k)
	e.b = append(e.b, '{')
}

func (e *encoder) close() { e.b = append(e.b, '}') }

func (e *encoder) uint(k string, v uint64) {
	e.key(k)
	e.b = appendUint(e.b, v)
}

func (e *encoder) int(k string, v int64) {
	e.key(k)
	e.b = strconv.AppendInt(e.b, v, 10)
}

func appendUint(b []byte, v uint64) []byte { return strconv.AppendUint(b, v, 10) }

func (e *encoder) hash(k string, h Hash) {
	e.key(k)
	e.b = append(e.b, '"')
	e.b = hex.AppendEncode(e.b, h[:])
	e.b = append(e.b, '"')
}

func (e *encoder) list(k string, n int, item func(int)) {
	e.key(k)
	e.b = append(e.b, '[')
	for i := range n {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		item(i)
	}
	e.b = append(e.b, ']')
}

// name writes a short word of the agent's own vocabulary.
func (e *encoder) name(k, v string) { text(e, k, v, true) }

// text writes k with readable text. If that is not exactly s, k_b64 has the
// exact bytes, and k_truncated the original length if s was cut. An empty text
// is left out unless required.
func text[S string | []byte](e *encoder, k string, s S, required bool) {
	if len(s) == 0 && !required {
		return
	}
	shown := s
	if len(s) > e.text {
		shown = s[:cut(s, e.text)]
	}
	e.key(k)
	valid := false
	e.b, valid = appendQuote(e.b, shown)
	if valid && len(shown) == len(s) {
		return
	}
	// Bytes come from programs and are kept exactly; strings are the agent's
	// and the policy's own, and as short exactly as they are readable.
	keep := e.exact
	if _, own := any(s).(string); own {
		keep = min(keep, e.text)
	}
	exact := s[:min(len(s), keep)]
	if !valid && len(exact) > 0 || len(exact) > len(shown) {
		e.suffixed(k, "_b64")
		e.b = append(e.b, '"')
		e.b = base64.StdEncoding.AppendEncode(e.b, []byte(exact))
		e.b = append(e.b, '"')
	}
	if len(shown) < len(s) || len(exact) < len(s) {
		e.suffixed(k, "_truncated")
		e.b = appendUint(e.b, uint64(len(s)))
	}
}

func (e *encoder) suffixed(k, suffix string) {
	e.b = append(e.b, ',', '"')
	e.b = append(e.b, k...)
	e.b = append(e.b, suffix...)
	e.b = append(e.b, '"', ':')
}

// cut returns the largest length up to n that does not split a rune of s.
func cut[S string | []byte](s S, n int) int {
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	return n
}

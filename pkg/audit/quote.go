// SPDX-License-Identifier: MIT

package audit

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// plain has the ASCII bytes that stand for themselves in a JSON string.
var plain = func() (t [utf8.RuneSelf]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendQuote appends s as a JSON string and reports whether s is valid UTF-8;
// bytes that are not become U+FFFD. Every control character, and every
// character that some reader takes for the end of a line, is escaped, so a
// value can neither end its line nor its string, nor speak to a terminal.
func appendQuote[S string | []byte](b []byte, s S) (_ []byte, valid bool) {
	valid = true
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if plain[c] {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			b = appendEscape(b, rune(c))
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
		bad := r == utf8.RuneError && n == 1
		if !bad && !invisible(r) {
			i += n
			continue
		}
		b = append(b, s[start:i]...)
		if bad {
			valid = false
			b = append(b, "\uFFFD"...)
		} else {
			b = appendEscape(b, r)
		}
		i += n
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"'), valid
}

// invisible has the characters beyond ASCII that are escaped: C1 controls, line
// and paragraph separators, and those that turn the direction of text.
func invisible(r rune) bool {
	switch {
	case r <= 0x9f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	case r == 0x200e, r == 0x200f, r == 0x61c, r == 0xfeff:
		return true
	}
	return false
}

func appendEscape(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendQuoted appends s as a JSON string in a list; lists have no exact form.
func appendQuoted(e *encoder, s string) { e.b, _ = appendQuote(e.b, s[:min(len(s), e.text)]) }

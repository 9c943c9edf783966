// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"crypto/rand"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// signed signs text with a new key of a name and returns the public key too.
func signed(tb testing.TB, name string, text func(key string) string) (msg []byte, key string) {
	tb.Helper()
	private, key, err := note.GenerateKey(rand.Reader, name)
	check(tb, err)
	s, err := note.NewSigner(private)
	check(tb, err)
	msg, err = note.Sign(&note.Note{Text: text(key)}, s)
	check(tb, err)
	return msg, key
}

func TestNotesOfAnotherKeyOrBytesAreRefused(t *testing.T) {
	const origin = "c/n-1/0011223344556677"
	birth, _ := signed(t, origin, func(key string) string {
		return (&Birth{Origin: origin, Node: "n \u2028", Born: "2026-11-01T00:00:00Z", Key: key}).text()
	})
	cert, certKey := signed(t, origin, func(key string) string {
		return (&Certificate{Origin: origin, Segment: "8899aabbccddeeff", Base: 7, Prev: Hash{1}, Root: Hash{2}, Key: key}).text()
	})
	point, pointKey := signed(t, origin, func(string) string {
		return (&Checkpoint{Origin: origin, Size: 9, Root: Hash{3}}).text()
	})
	_, other := signed(t, origin, func(string) string { return "x\n" })
	_, foreign := signed(t, "c/n-2/0011223344556677", func(string) string { return "x\n" })
	for name, c := range map[string]struct {
		msg   []byte
		key   string
		parse func(msg []byte, key string) error
	}{
		"birth":       {birth, "", func(msg []byte, _ string) error { _, err := ParseBirth(msg); return err }},
		"certificate": {cert, certKey, func(msg []byte, key string) error { _, err := ParseCertificate(msg, key); return err }},
		"checkpoint":  {point, pointKey, func(msg []byte, key string) error { _, err := ParseCheckpoint(msg, key); return err }},
	} {
		if err := c.parse(c.msg, c.key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		padded := bytes.LastIndexByte(c.msg, '=') - 1 // has two bits that mean nothing
		for i := range len(c.msg) * 8 {
			if i/8 == padded {
				continue
			}
			mutated := bytes.Clone(c.msg)
			mutated[i/8] ^= 1 << (i % 8)
			if c.parse(mutated, c.key) == nil {
				t.Errorf("%s with bit %d of byte %d flipped is accepted", name, i%8, i/8)
			}
		}
		if c.key == "" {
			continue
		}
		for _, key := range []string{other, foreign, "", "x"} {
			if c.parse(c.msg, key) == nil {
				t.Errorf("%s is accepted as signed by %q", name, key)
			}
		}
	}
}

package main

import (
	"strconv"
	"strings"
)

// yamlWord returns a text as YAML reads it back, in quotes where it has to be.
func yamlWord(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-", r))
	}) < 0
	if plain && s[0] == '/' {
		return s
	}
	return strconv.Quote(s)
}

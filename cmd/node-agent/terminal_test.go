package main

import (
	"strings"
	"testing"
)

func TestShown(t *testing.T) {
	for _, tt := range []struct {
		text   string
		colors bool
		want   string
	}{
		{"a\tb\nc é\n", false, "a\tb\nc é\n"},
		{red + "x" + plain, true, red + "x" + plain},
		{red + "x" + plain, false, `\x1b[31mx\x1b[0m`},
		{"\x1b[2Jx\r\u202e\u009b\xff", true, `\x1b[2Jx\r\u202e\u009b` + "\ufffd"},
	} {
		if got := shown(tt.text, tt.colors); got != tt.want {
			t.Errorf("%q is shown as %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestPoliciesSteerNoTerminal: what is in a policy is shown, not obeyed, and
// adds no lines to what a tool says.
func TestPoliciesSteerNoTerminal(t *testing.T) {
	const evil = `"\e[2J\n/x: allowed by x\r"`
	file := write(t, "version: 1\nrules:\n"+
		"  - {id: a, action: file.read, path: {equals: \"/\\e[31m\\nz\"}, decision: allow, reason: "+evil+"}\n"+
		"  - {id: b, action: file.read, path: {equals: /x}, decision: deny, reason: "+evil+"}\n")
	broken := write(t, "version: 1\n"+evil+": 1\nrules: [{action: "+evil+", decision: "+evil+"}]\n")
	for _, args := range [][]string{
		{"explain", "--policy", file, "file.read", "/x"}, {"lint", file}, {"compile", "--stats", file}, {"check", broken}, {"import", broken},
		{"explain", "--policy", file, "file.read", "/\x1b[2J"},
	} {
		out, _ := command(t, "", append([]string{"policy"}, args...)...)
		if strings.ContainsAny(out, "\x1b\r") || strings.Contains(out, "\n/x: allowed") {
			t.Errorf("%s writes %q", args[0], out)
		}
	}
}

package network

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// refusal is what a resolver does with one, as refusals.txt has it: a line each,
// RESOLVER|WHAT IT SAYS|QUERIES THAT WERE REFUSED|IN WORDS.
type refusal struct {
	resolver, says string
	queries        int
	so             string
}

func refusals(t *testing.T) []refusal {
	t.Helper()
	b, err := os.ReadFile("refusals.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []refusal
	for l := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(l), "|")
		if len(f) != 4 {
			t.Fatalf("refusals.txt: %q", l)
		}
		n, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatalf("refusals.txt: %v", err)
		}
		out = append(out, refusal{f[0], f[1], n, f[3]})
	}
	return out
}

const (
	docsFile = "../../docs/network.md"
	begin    = "<!-- generated from test/network/refusals.txt: make generate -->\n"
	end      = "<!-- end -->\n"
)

// TestDocs keeps the table of docs/network.md what refusals.txt says;
// SAFECLAW_UPDATE=1 rewrites it. In a guest there are no docs.
func TestDocs(t *testing.T) {
	if os.Getenv("SAFECLAW_GUEST") == "1" {
		return
	}
	have, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(have), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s does not say where the table belongs", docsFile)
	}
	var b strings.Builder
	b.WriteString("| resolver | says of a refused name | queries that it tried | in words |\n| --- | --- | --- | --- |\n")
	for _, r := range refusals(t) {
		fmt.Fprintf(&b, "| %s | `%s` | %d | %s |\n", r.resolver, r.says, r.queries, r.so)
	}
	want := before + begin + b.String() + end + after
	if os.Getenv("SAFECLAW_UPDATE") == "1" {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(have) != want {
		t.Error("docs/network.md is stale: run `make generate` and commit it")
	}
}

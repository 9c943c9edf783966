package escapes

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	docsFile = "../../docs/threat-model.md"
	begin    = "<!-- generated from test/escapes: make generate -->\n"
	end      = "<!-- end -->\n"
)

// TestList: every row has an id of its own and one way to be shown.
func TestList(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range escapes() {
		if !idForm.MatchString(e.id) || seen[e.id] {
			t.Errorf("id %q is odd or taken", e.id)
		}
		seen[e.id] = true
		ways := 0
		for _, has := range []bool{e.do != nil, e.test != "", e.reason != ""} {
			if has {
				ways++
			}
		}
		if ways != 1 {
			t.Errorf("%s: %d of act, test and reason, want one", e.id, ways)
		}
		if e.technique == "" || e.do != nil && (e.hook == "" || e.rule == "") {
			t.Errorf("%s does not say what is tried or what ends it", e.id)
		}
	}
}

// TestComplete: no technique of the list of attacks is left out. Those on the
// agent (A) are shown in other ways too.
func TestComplete(t *testing.T) {
	seen := map[string]map[int]bool{"P": {}, "X": {}, "N": {}, "D": {}, "S": {}, "U": {}, "A": {}}
	for _, e := range escapes() {
		kind, n, _ := e.order()
		if seen[kind] != nil {
			seen[kind][n] = true
		}
	}
	for kind, last := range map[string]int{"P": 35, "X": 13, "N": 19, "D": 19, "S": 18, "U": 16, "A": 14} {
		for n := 1; n <= last; n++ {
			if !seen[kind][n] {
				t.Errorf("%s%d is missing", kind, n)
			}
		}
	}
}

// TestDocs keeps the table of docs/threat-model.md what the list says;
// SAFECLAW_UPDATE=1 rewrites it. In a guest there are neither docs nor sources.
func TestDocs(t *testing.T) {
	if os.Getenv("SAFECLAW_GUEST") == "1" {
		return
	}
	have, err := os.ReadFile(docsFile)
	must(t, err)
	before, rest, ok := strings.Cut(string(have), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s does not say where the table belongs", docsFile)
	}
	want := before + begin + table(t) + end + after
	if os.Getenv("SAFECLAW_UPDATE") == "1" {
		must(t, os.WriteFile(docsFile, []byte(want), 0o644))
		return
	}
	if string(have) != want {
		t.Error("docs/threat-model.md is stale: run `make generate` and commit it")
	}
}

func table(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| id | technique | hook | rule | test, or why there is none |\n| --- | --- | --- | --- | --- |\n")
	code := func(s string) string {
		if s == "" {
			return ""
		}
		return "`" + s + "`"
	}
	for _, e := range escapes() {
		shown := e.reason
		switch {
		case e.do != nil:
			shown = "`test/escapes` " + e.id
		case e.test != "":
			dir, name, _ := strings.Cut(e.test, " ")
			exists(t, e.id, dir, name)
			shown = "`" + dir + "` " + name
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", e.id, e.technique, code(e.hook), code(e.rule), shown)
	}
	return b.String()
}

// exists wants a test that a row names.
func exists(t *testing.T, id, dir, name string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	must(t, err)
	def := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(name) + `\([tf] \*testing\.[TF]\)`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		must(t, err)
		if def.Match(b) {
			return
		}
	}
	t.Errorf("%s names %s of %s: there is no such test", id, name, dir)
}

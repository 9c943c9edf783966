package scenarios

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const docsFile = "../../docs/scenarios.md"

// TestDocs keeps docs/scenarios.md what the scenario files say;
// SAFECLAW_UPDATE=1 rewrites it. In a guest there are no docs.
func TestDocs(t *testing.T) {
	if inGuest() {
		return
	}
	var b strings.Builder
	b.WriteString("# Scenarios\n\nWorked examples. Each is a file in `test/scenarios`, run on every kernel of the matrix and, where it has a container, on a\n" +
		"plain and on an overlay root. This page is generated from them (`make generate`).\n")
	for _, s := range scenarios(t) {
		s.document(&b)
	}
	if os.Getenv("SAFECLAW_UPDATE") == "1" {
		if err := os.WriteFile(docsFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Error("docs/scenarios.md is stale: run `make generate` and commit it")
	}
}

func (s *scenario) document(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n```yaml\n%s```\n\n", s.name, s.about, s.policy)
	switch {
	case s.host:
		b.WriteString("Run on the host's own root.\n\n")
	case s.observe:
		b.WriteString("Run with `--mode observe`.\n\n")
	case len(s.via) > 0:
		fmt.Fprintf(b, "Started through `%s`.\n\n", strings.Join(s.via, " "))
	}
	b.WriteString("| the program tries | and gets | by the rule |\n| --- | --- | --- |\n")
	for _, st := range s.steps {
		end := st.end
		if st.end == wouldDeny {
			end = "ok (recorded as would-deny)"
		}
		rule := ""
		if st.rule != "" {
			rule = "`" + st.rule + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", st.line, end, rule)
	}
}

package scenarios

import (
	"fmt"
	"os"
	"regexp"
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

const guide = "../../docs/policy.md"

var link = regexp.MustCompile(`\(scenarios\.md#([^)]+)\)`)

// TestGuide: each whole policy in docs/policy.md is a scenario's, and it links
// to every scenario and to nothing else.
func TestGuide(t *testing.T) {
	if inGuest() {
		return
	}
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	links, policies := map[string]bool{}, map[string]bool{}
	for _, m := range link.FindAllStringSubmatch(string(text), -1) {
		links[m[1]] = true
	}
	for _, s := range scenarios(t) {
		if !links[s.name] {
			t.Errorf("%s has no link to %s", guide, s.name)
		}
		delete(links, s.name)
		policies[string(s.policy)] = true
	}
	for name := range links {
		t.Errorf("%s links to %s, which is no scenario", guide, name)
	}
	found := 0
	for _, after := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(after, "```")
		if !strings.HasPrefix(block, "version:") {
			continue // a part of a policy
		}
		found++
		if !policies[block] {
			t.Errorf("%s has a policy that is no scenario's:\n%s", guide, block)
		}
	}
	if found == 0 {
		t.Errorf("%s has no policy", guide)
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

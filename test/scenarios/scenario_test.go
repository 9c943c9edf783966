// Package scenarios runs the scenario files of this directory: a policy, a
// trigger, and what must come of it. Natively each file is checked against the
// compiled tables; in a guest it is run for real, by node-agent, and held
// against the audit log as well. The same files are examples in the docs.
package scenarios

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// wouldDeny is the end of a step that only the observed policy would deny.
const wouldDeny = "would-deny"

// killed is the end of a program whose arguments are denied.
const killed = "SIGKILL"

// scenario is one txtar file. Its comment begins with what it shows; lines
// "key: value" in it are settings:
//
//	host: yes       run on the host's own root instead of in a container
//	observe: yes    run with --mode observe
//	via: CMD ...    what starts the steps, in place of starting them directly
//
// Sections: policy.yaml; files, one a line: PATH MODE [TEXT], where a PATH that
// begins with + is on a mounted volume; steps, one a line: ACTION ARG... = END
// [RULE], END being ok, an errno, would-deny (it succeeds and is recorded as
// that), or of a program that was executed SIGKILL or exit-N, RULE the rule that the record must name.
type scenario struct {
	name, about   string
	host, observe bool
	via           []string
	policy        []byte
	files         []file
	steps         []stepSpec
}

type file struct {
	path   string
	mode   os.FileMode
	text   string
	volume bool
}

type stepSpec struct {
	line  string
	words []string
	end   string
	rule  string
}

func load(t *testing.T, name string) *scenario {
	t.Helper()
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{name: strings.TrimSuffix(filepath.Base(name), ".txtar")}
	for l := range strings.Lines(string(a.Comment)) {
		switch k, v, _ := strings.Cut(strings.TrimSpace(l), ": "); k {
		case "host":
			s.host = true
		case "observe":
			s.observe = true
		case "via":
			s.via = strings.Fields(v)
		default:
			s.about += l
		}
	}
	for _, f := range a.Files {
		switch f.Name {
		case "policy.yaml":
			s.policy = f.Data
		case "files":
			s.parseFiles(t, string(f.Data))
		case "steps":
			s.parseSteps(t, string(f.Data))
		default:
			t.Fatalf("%s: unknown section %s", name, f.Name)
		}
	}
	if s.policy == nil || len(s.steps) == 0 || strings.TrimSpace(s.about) == "" {
		t.Fatalf("%s: a scenario has a comment, a policy.yaml and steps", name)
	}
	return s
}

func (s *scenario) parseFiles(t *testing.T, data string) {
	for l := range strings.Lines(data) {
		w := strings.SplitN(strings.TrimSpace(l), " ", 3)
		if len(w) < 2 {
			t.Fatalf("%s: file %q is not PATH MODE [TEXT]", s.name, l)
		}
		f := file{path: strings.TrimPrefix(w[0], "+"), volume: strings.HasPrefix(w[0], "+")}
		if _, err := fmt.Sscanf(w[1], "%o", &f.mode); err != nil {
			t.Fatalf("%s: mode %q: %v", s.name, w[1], err)
		}
		if len(w) == 3 {
			f.text = strings.ReplaceAll(w[2], `\n`, "\n")
		}
		s.files = append(s.files, f)
	}
}

var stepLine = regexp.MustCompile(`^(\S.*?) += +(\S+)(?: +(\S+))?$`)

func (s *scenario) parseSteps(t *testing.T, data string) {
	for l := range strings.Lines(data) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		m := stepLine.FindStringSubmatch(l)
		if m == nil {
			t.Fatalf("%s: step %q is not ACTION ARG... = END [RULE]", s.name, l)
		}
		s.steps = append(s.steps, stepSpec{line: m[1], words: strings.Fields(m[1]), end: m[2], rule: m[3]})
	}
}

func scenarios(t *testing.T) []*scenario {
	t.Helper()
	names, err := filepath.Glob("*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var out []*scenario
	for _, n := range names {
		out = append(out, load(t, n))
	}
	return out
}

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == actName {
		os.Exit(act(os.Args[1:]))
	}
	os.Exit(suite.Main(m))
}

package dialect

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// TestCommandsAgree imports random rules about a command line as one text, and
// compares what the tables say with the text's own operators: a rule that denies
// denies at least as much, one that allows allows at most as much.
func TestCommandsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	words := []string{"rm", "-rf", "git", "push", "go", "gofoo", "sudo", "-r", "x"}
	line := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = words[r.IntN(len(words))]
		}
		return out
	}
	var lines [][]string
	for range 300 {
		lines = append(lines, line(1+r.IntN(4)))
	}
	ops := map[string]func(text, value string) bool{
		"starts_with": strings.HasPrefix, "ends_with": strings.HasSuffix, "contains": strings.Contains,
		"eq":      func(a, b string) bool { return a == b },
		"matches": func(a, b string) bool { return regexp.MustCompile(b).MatchString(a) },
		"glob": func(a, b string) bool {
			return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(b), `\*`, ".*") + "$").MatchString(a)
		},
	}
	decided := map[string]int{}
	for range 50 {
		for op, holds := range ops {
			value := strings.Join(line(1+r.IntN(3)), " ")
			switch {
			case op == "glob" && r.IntN(2) == 0:
				value += []string{"*", " *"}[r.IntN(2)]
			case op == "glob" && r.IntN(2) == 0:
				value = "*" + value + "*"
			case op == "matches" && r.IntN(2) == 0:
				value = "^" + value
			case op == "matches" && r.IntN(2) == 0:
				value += "$"
			case op != "eq" && op != "glob" && op != "matches":
				from := r.IntN(len(value))
				value = strings.TrimLeft(value[from:from+1+r.IntN(len(value)-from)], " ")
				if value == "" {
					continue
				}
			}
			for _, effect := range []string{"deny", "allow"} {
				rest := map[string]string{"deny": "allow", "allow": "deny"}[effect]
				src := fmt.Sprintf("version: 1\nbaseline: none\nrules:\n  - {action: shell.exec, match: {command: {%s: %q}}, effect: %s}\n  - {action: process.exec, decision: %s}\n", op, value, effect, rest)
				res, err := Import("f", []byte(src), Options{Now: now})
				if err != nil {
					t.Fatal(err)
				}
				if res.YAML == nil {
					decided["refused"]++
					continue
				}
				p, err := policy.Parse("p", res.YAML)
				if err != nil {
					t.Fatal(err)
				}
				tables, err := policy.Compile(p, policy.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range lines {
					text := strings.Join(l, " ")
					want := holds(text, value)
					got := tables.Ask(policy.Query{Action: policy.ActionExec, Path: "/usr/bin/" + l[0], Args: l[1:]}).Allow
					if effect == "deny" && want && got || effect == "allow" && got && !want {
						t.Fatalf("%s\nof %q: the text says %v, the tables allow %v\n%s", src, text, want, got, res.YAML)
					}
					if want {
						decided[effect]++
					}
				}
			}
		}
	}
	if decided["deny"] < 1000 || decided["allow"] < 1000 || decided["refused"] > 400 {
		t.Errorf("%v", decided)
	}
}

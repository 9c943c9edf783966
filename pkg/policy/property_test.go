package policy

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
)

// TestEvaluateAgrees compares the compiled tables with the naive evaluator, on
// random policies and floors, and on subjects that are near misses of their
// patterns. POLICY_COMPARISONS sets how many comparisons it makes, POLICY_SEED
// the seed.
func TestEvaluateAgrees(t *testing.T) {
	want := envInt("POLICY_COMPARISONS", 200_000)
	seed := uint64(envInt("POLICY_SEED", 1))
	if testing.Short() {
		want /= 10
	}
	var seen seen
	for stream := uint64(0); seen.done < want; stream++ {
		g := policygen.New(seed, stream)
		c := newComparison(t, g)
		for range 500 {
			c.compare(t, g, Kind(g.Kind()), &seen)
		}
	}
	t.Logf("%d comparisons of tables and rules over %d policies; an allow rule with a matcher decided %d, exe %d, a command %d, a bound name %d, a floor's audit %d",
		seen.done, seen.policies, seen.allowed, seen.exe, seen.command, seen.name, seen.marked)
	for what, n := range map[string]int{"an allow rule": seen.allowed, "exe": seen.exe, "a command": seen.command, "a bound name": seen.name, "a floor's audit": seen.marked} {
		if n < seen.done/1000 {
			t.Errorf("%s decided only %d of %d: the subjects are too far from the patterns", what, n, seen.done)
		}
	}
	for b := 1; b < 256 && !testing.Short(); b++ {
		if !seen.bytes[b] {
			t.Errorf("byte %#x was in no path", b)
		}
	}
	if seen.bytes[0] {
		t.Error("a NUL was in a path")
	}
}

// seen counts what the comparisons were about.
type seen struct {
	done, policies, allowed, exe, command, name, marked int
	bytes                                               [256]bool // in paths
}

// comparison is one policy in both forms.
type comparison struct {
	src    string
	tables *Tables
	rules  *evaluator
}

func newComparison(t *testing.T, g *policygen.Generator) *comparison {
	t.Helper()
	c := &comparison{src: g.Policy()}
	p := mustParse(t, c.src)
	var o Options
	if g.IntN(3) == 0 {
		floor := g.Floor()
		o.Floor = mustParseFloor(t, floor)
		c.src += "# floor:\n" + floor
	}
	var err error
	if c.tables, err = Compile(p, o); err != nil {
		t.Fatalf("%v\n%s", err, c.src)
	}
	if c.rules, err = newEvaluator(p, o); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *comparison) compare(t *testing.T, g *policygen.Generator, k Kind, n *seen) {
	t.Helper()
	if n.done%500 == 0 {
		n.policies++
	}
	n.done++
	subject := g.Subject(policygen.Kind(k))
	f := Facts(g.Facts(policygen.Kind(k), subject))
	got, want := c.tables.MatchIn(k, subject, classes(c.tables, f)), c.rules.evaluate(k, subject, f)
	if got != want {
		t.Fatalf("%s %q with %s: tables say %+v (%s), rules say %+v (%s)\n%s", k, subject, f.text(),
			got, c.tables.Rules[got.Rule].Name, want, c.tables.Rules[want.Rule].Name, c.src)
	}
	if got.Matched && got.Allow {
		n.allowed++
	}
	without := func(f Facts) bool { return c.rules.evaluate(k, subject, f) != want }
	if n.done%8 == 0 { // whether a fact decided takes another evaluation
		n.exe += 8 * one(f.Exe != nil && without(Facts{Command: f.Command, Name: f.Name}))
		n.command += 8 * one(f.Command != nil && without(Facts{Exe: f.Exe, Name: f.Name}))
		n.name += 8 * one(f.Name != nil && without(Facts{Exe: f.Exe, Command: f.Command}))
	}
	n.marked += one(c.rules.marked(k, subject, f))
	if k.isPath() {
		for _, b := range subject[1:] {
			n.bytes[b] = true
		}
	}
}

func classes(t *Tables, f Facts) Classes {
	return Classes{
		Exe:     t.Classify(KindExe, f.Exe),
		Command: t.Classify(KindCommand, f.Command),
		Name:    t.Classify(KindName, f.Name),
	}
}

// marked reports whether an audit rule of the floor matches.
func (e *evaluator) marked(k Kind, subject []byte, f Facts) bool {
	if !wellFormed(k, subject) {
		return false
	}
	s := takeApart(k, subject)
	s.addFacts(f)
	for _, a := range e.order[k] {
		if a.origin == OriginFloor && a.marks() && s.meets(a) {
			return true
		}
	}
	return false
}

func (f Facts) text() string {
	parts := []string{}
	for i, fact := range [][]byte{f.Exe, f.Command, f.Name} {
		name := []string{"exe", "command", "name"}[i]
		if fact == nil {
			parts = append(parts, name+" unknown")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %q", name, fact))
	}
	return strings.Join(parts, ", ")
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func envInt(name string, value int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return value
}

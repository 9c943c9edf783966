package policy_test

import (
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/diff"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

func side(t *testing.T, src string) diff.Side {
	t.Helper()
	p, err := policy.Parse("random.yaml", []byte(src))
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	tables, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return diff.Side{Policy: p, Tables: tables}
}

// changed returns the policy with one of its rules dropped, doubled, moved or
// replaced: often without consequence.
func changed(g *policygen.Generator, src string) string {
	head, rules, _ := strings.Cut(src, "rules:\n")
	list := strings.SplitAfter(rules, "\n  - ")
	i, j := g.IntN(len(list)), g.IntN(len(list))
	item := func(s string) string { return "  - " + strings.TrimSuffix(strings.TrimPrefix(s, "  - "), "  - ") }
	for k := range list {
		list[k] = item(list[k])
	}
	switch g.IntN(3) {
	case 0:
		list = append(list[:i:i], list[i+1:]...)
	case 1:
		list = append(list, list[i])
	case 2:
		list[i], list[j] = list[j], list[i]
	}
	if len(list) == 0 {
		return head
	}
	return head + "rules:\n" + strings.Join(list, "")
}

// someAction returns an action that can happen, near the patterns of the
// policies.
func someAction(g *policygen.Generator) (product.Action, bool) {
	k := policy.Kind(g.IntN(int(policy.KindAddr) + 1))
	a := product.Action{Kind: k, Subject: g.Subject(policygen.Kind(k))}
	a.Reading = k == policy.KindWrite && g.IntN(2) == 0
	a.Facts = policy.Facts(g.Facts(policygen.Kind(k), a.Subject))
	known := func(k policy.Kind, subject []byte) bool { return subject == nil || product.WellFormed(k, subject) }
	return a, product.WellFormed(k, a.Subject) && known(policy.KindExe, a.Facts.Exe) &&
		known(policy.KindCommand, a.Facts.Command) && known(policy.KindName, a.Facts.Name)
}

// Where diff finds nothing, no subject is decided differently; where it shows
// an example, the tables differ about it in just that way.
func TestDiffIsExact(t *testing.T) {
	pairs, perPair := 60, 10_000
	if testing.Short() {
		pairs /= 10
	}
	equal, different := 0, 0
	for i := range pairs {
		g := policygen.New(11, uint64(i))
		oldText := g.Policy()
		newText := changed(g, oldText)
		if i%10 == 0 {
			newText = g.Policy()
		}
		older, newer := side(t, oldText), side(t, newText)
		r := diff.Compare(older, newer)
		for _, c := range r.Changes {
			checkChange(t, c, older, newer, oldText, newText)
		}
		if len(r.Changes) > 0 {
			different++
			covered(t, g, r, older, newer)
			continue
		}
		equal++
		for range perPair {
			a, ok := someAction(g)
			if !ok {
				continue
			}
			was, is := product.Ask(older.Tables, a), product.Ask(newer.Tables, a)
			if was.Allow != is.Allow || was.Allow && was.Count != is.Count {
				t.Fatalf("diff says equal, but %s %s: %+v, then %+v\n%s\nnew:\n%s", a.Verb(), a, was, is, oldText, newText)
			}
		}
	}
	t.Logf("%d pairs equal, %d different", equal, different)
	if equal < pairs/10 || different < pairs/10 {
		t.Errorf("%d pairs equal and %d different: too few of one", equal, different)
	}
}

func checkChange(t *testing.T, c diff.Change, older, newer diff.Side, oldText, newText string) {
	t.Helper()
	was, is := product.Ask(older.Tables, c.Action), product.Ask(newer.Tables, c.Action)
	ok := was == c.Old && is == c.New && product.WellFormed(c.Action.Kind, c.Action.Subject)
	switch c.Direction {
	case diff.Wider:
		ok = ok && !was.Allow && is.Allow
	case diff.Narrower:
		ok = ok && was.Allow && !is.Allow
	default:
		ok = ok && was.Allow && is.Allow && was.Count != is.Count
	}
	if !ok {
		t.Fatalf("%s: %s %s is shown as %+v, then %+v; the tables say %+v, %+v\n%s\nnew:\n%s",
			c.Direction, c.Action.Verb(), c.Action, c.Old, c.New, was, is, oldText, newText)
	}
}

// covered checks that each difference that a random subject finds is of a pair
// of rules that the report names.
func covered(t *testing.T, g *policygen.Generator, r *diff.Report, older, newer diff.Side) {
	t.Helper()
	for range 500 {
		a, ok := someAction(g)
		if !ok || a.Reading {
			continue
		}
		was, is := product.Ask(older.Tables, a), product.Ask(newer.Tables, a)
		if was.Allow == is.Allow {
			continue
		}
		found := false
		for _, c := range r.Changes {
			found = found || c.Action.Kind == a.Kind && c.Old.Rule == was.Rule && c.New.Rule == is.Rule && c.New.Allow == is.Allow
		}
		if !found {
			t.Fatalf("%s %s changes from %+v to %+v, which the report does not say", a.Verb(), a, was, is)
		}
	}
}

package policy

import (
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
)

// The trace ends in the rule that the evaluator names, and gives a reason for
// every other.
func TestTraceAgrees(t *testing.T) {
	for i := range uint64(150) {
		g := policygen.New(23, i)
		src := g.Policy()
		p := mustParse(t, src)
		for range 60 {
			k := Kind(g.IntN(policygen.Kinds))
			subject := g.Subject(policygen.Kind(k))
			f := Facts(g.Facts(policygen.Kind(k), subject))
			if k > KindAddr || !wellFormed(k, subject) {
				continue
			}
			want := EvaluateIn(p, Options{}, k, subject, f)
			asked, err := Trace(p, Options{}, k, subject, f)
			if err != nil {
				t.Fatal(err)
			}
			got := uint16(ruleDefault)
			for j, a := range asked {
				if a.Matches {
					got = a.Rule
					if j != len(asked)-1 {
						t.Fatalf("%s %q: rules asked behind the one that decides", k, subject)
					}
				} else if len(a.Misses) == 0 {
					t.Fatalf("%s %q: no reason why rule %d does not match\n%s", k, subject, a.Rule, src)
				}
			}
			if got != want.Rule {
				t.Fatalf("%s %q: the trace ends in %d, the verdict is of %d\n%s", k, subject, got, want.Rule, src)
			}
		}
	}
}

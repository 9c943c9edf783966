package policy

import (
	"os"
	"strconv"
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
)

// TestEvaluateAgrees compares the compiled tables with the naive evaluator, on
// random policies and on subjects that are near misses of their patterns.
// POLICY_COMPARISONS sets how many comparisons it makes, POLICY_SEED the seed.
func TestEvaluateAgrees(t *testing.T) {
	want := envInt("POLICY_COMPARISONS", 200_000)
	seed := uint64(envInt("POLICY_SEED", 1))
	if testing.Short() {
		want /= 10
	}
	done, policies, allowed, conditional := 0, 0, 0, 0
	for ; done < want; policies++ {
		g := policygen.New(seed, uint64(policies))
		src := g.Policy()
		p, err := Parse("random.yaml", []byte(src))
		if err != nil {
			t.Fatalf("policy %d: %v\n%s", policies, err, src)
		}
		var o Options
		if g.IntN(3) == 0 {
			floor := g.Floor()
			if o.Floor, err = ParseFloor("floor.yaml", []byte(floor)); err != nil {
				t.Fatalf("floor %d: %v\n%s", policies, err, floor)
			}
			src += "# floor:\n" + floor
		}
		tables, err := Compile(p, o)
		if err != nil {
			t.Fatalf("policy %d: %v\n%s", policies, err, src)
		}
		rules, err := newEvaluator(p, o)
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			k := Kind(g.IntN(policygen.Kinds))
			subject := g.Subject(policygen.Kind(k))
			if k != KindAddr && len(subject) == 0 {
				continue
			}
			f := g.Facts(policygen.Kind(k), subject)
			got := tables.MatchIn(k, subject, tables.classes(Facts(f)))
			want := rules.evaluate(k, subject, Facts(f))
			if got != want {
				t.Fatalf("policy %d, %s %q, facts %q: tables say %+v (%s), rules say %+v (%s)\n%s", policies, k, subject, f,
					got, tables.Rules[got.Rule].Name, want, tables.Rules[want.Rule].Name, src)
			}
			done++
			if got.Matched && got.Allow {
				allowed++
			}
			if got != tables.Match(k, subject) {
				conditional++
			}
		}
	}
	t.Logf("%d comparisons over %d policies, %d allowed by a rule with a matcher, %d decided by a condition", done, policies, allowed, conditional)
	if allowed < done/100 || conditional < done/200 {
		t.Errorf("only %d of %d subjects matched an allow rule and %d a condition: the subjects are too far from the patterns", allowed, done, conditional)
	}
}

// classes classifies what is known.
func (t *Tables) classes(f Facts) (c Classes) {
	known := func(k Kind, subject []byte) uint16 {
		if subject == nil {
			return 0
		}
		return t.Classify(k, subject)
	}
	return Classes{Exe: known(KindExe, f.Exe), Command: known(KindCommand, f.Command), Name: known(KindName, f.Name)}
}

func envInt(name string, value int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return value
}

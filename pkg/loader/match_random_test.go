package loader

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// TestMatcherOnRandomPolicies holds the BPF matcher, its classifiers and its
// way through conditions against the naive evaluator of pkg/policy, on random
// policies, subjects and facts. The tables stand between the two: they are
// compared with both.
func TestMatcherOnRandomPolicies(t *testing.T) {
	m := newMatcher(t)
	policies, subjects := 100, 100
	switch {
	case os.Getenv("SAFECLAW_LONG") != "":
		policies, subjects = 2000, 500
	case os.Getenv("SAFECLAW_GUEST") == "1": // as in TestMatcher
		policies = 30
	}
	done, conditional, classified := 0, 0, 0
	for i := range policies {
		g := policygen.New(11, uint64(i))
		src := g.Policy()
		p, err := policy.Parse("policy", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		tab, err := policy.Compile(p, policy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.install(tab); err != nil {
			t.Fatal(err)
		}
		for range subjects {
			k := policy.Kind(g.IntN(policygen.Kinds))
			sub := g.Subject(policygen.Kind(k))
			if len(sub) == 0 || len(sub) > pathEnd-1 {
				continue
			}
			f := policy.Facts(g.Facts(policygen.Kind(k), sub))
			c := policy.Classes{}
			for kind, fact := range map[policy.Kind]struct {
				subject []byte
				class   *uint16
			}{policy.KindExe: {f.Exe, &c.Exe}, policy.KindCommand: {f.Command, &c.Command}, policy.KindName: {f.Name, &c.Name}} {
				if fact.subject == nil || tab.Outcomes(kind) == 0 {
					continue
				}
				run, err := m.match(kind, fact.subject, policy.Classes{})
				if err != nil {
					t.Fatal(err)
				}
				if want := tab.Classify(kind, fact.subject); run.Class != uint32(want) {
					t.Fatalf("policy %d, %s %q: class %d in the kernel, %d in Go\n%s", i, kind, fact.subject, run.Class, want, src)
				}
				*fact.class = uint16(run.Class)
				classified++
			}
			got, err := m.match(k, sub, c)
			if err != nil {
				t.Fatal(err)
			}
			naive, tables := policy.EvaluateIn(p, policy.Options{}, k, sub, f), tab.MatchIn(k, sub, c)
			if naive != tables {
				t.Fatalf("policy %d, %s %q, facts %q: tables %+v, rules %+v\n%s", i, k, sub, f, tables, naive, src)
			}
			if got.Found != 1 || got.Rule != uint32(naive.Rule) || (got.Allow == 1) != naive.Allow || got.Flags != flags(naive) {
				t.Fatalf("policy %d, %s %q, facts %q: kernel %+v, rules %+v\n%s", i, k, sub, f, got, naive, src)
			}
			done++
			if naive != tab.Match(k, sub) {
				conditional++
			}
		}
	}
	t.Logf("%d comparisons over %d policies, %d decided by a condition, %d strings classified", done, policies, conditional, classified)
	if conditional < done/200 || classified < done/20 {
		t.Errorf("only %d of %d verdicts depended on a condition", conditional, done)
	}
}

// flags are a verdict's, as ROW_COUNT and its sisters of bpf/types.h.
func flags(v policy.Verdict) uint32 {
	return flag(v.Count, 1) | flag(v.Matched, 2) | flag(v.Launcher, 4) | flag(v.Floor, 8)
}

// newMatcher loads bpf/test/match.bpf.c.
func newMatcher(t testing.TB) *matcher {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("guest only: loading programs needs root")
	}
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	obj, _, err := chooseObject(kernel, "")
	if err != nil {
		t.Fatal(err)
	}
	load := map[Variant]func() (*ebpf.CollectionSpec, error){VariantKfuncs: loadMatcher, VariantPlain: loadPlainMatcher}
	spec, err := load[obj.name]()
	if err != nil {
		t.Fatal(err)
	}
	s := safeclawSettings{HashKey: [3]uint64{0x0123456789abcdef, 0xfedcba9876543210, 0x9e3779b97f4a7c15}}
	if err := spec.Variables["settings"].Set(s); err != nil {
		t.Fatal(err)
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(coll.Close)
	return &matcher{coll: coll}
}

package policy

import (
	"fmt"
	"testing"
)

// What a policy of many literals costs, in bytes and in work, grows with the
// length of the names and not with their number times anything. Times are for
// benchmarks: BenchmarkCompileLiterals.
func TestManyLiteralsStaySmall(t *testing.T) {
	for _, tt := range []struct {
		rules, bytes, class int
		name                string
	}{
		{1000, 200_000, SmallTable, "hex8"},
		{10_000, 3_900_000, LargeTable, "uuid"},
	} {
		if testing.Short() && tt.rules > 1000 {
			continue
		}
		t.Run(fmt.Sprintf("%d %s", tt.rules, tt.name), func(t *testing.T) {
			for _, names := range literalNames {
				if names.name != tt.name {
					continue
				}
				p := literalRules(t, tt.rules, "", names.make)
				tables, err := Compile(p, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if len(tables.Blob) > tt.bytes || tables.SizeClass() != tt.class {
					t.Errorf("%d bytes, more than %d; size class %d", len(tables.Blob), tt.bytes, tables.SizeClass())
				}
				checkLiterals(t, p, tables)
			}
		})
	}
}

// checkLiterals asks about each directory by a name in it and by one next to it.
func checkLiterals(t *testing.T, p *Policy, tables *Tables) {
	t.Helper()
	for i := range p.Rules {
		path := ""
		for _, c := range p.Rules[i].Path.Conditions[0].paths[0].components {
			if c.deep {
				break
			}
			path += "/"
			for _, tok := range c.tokens {
				path += string(rune(tok.b))
			}
		}
		for _, mounted := range []bool{false, true} {
			if v := tables.Match(KindRead, PathSubject(mounted, path+"/x.key")); int(v.Rule) != firstRule+i || !v.Allow {
				t.Fatalf("%s/x.key, on a volume %v: rule %d, want %d", path, mounted, v.Rule, firstRule+i)
			}
			if v := tables.Match(KindRead, PathSubject(mounted, path+"0/x")); v.Matched {
				t.Fatalf("%s0/x, on a volume %v: rule %d", path, mounted, v.Rule)
			}
		}
	}
}

// TestLiteralsCostLinearWork: the sets that the construction looks at.
func TestLiteralsCostLinearWork(t *testing.T) {
	work := func(rules int) int {
		rs, err := newRuleSet(literalRules(t, rules, "", hex32), Options{})
		if err != nil {
			t.Fatal(err)
		}
		b := newSubset(rs.gather(KindRead), KindRead, &verdicts{rs: rs, ids: map[string]int32{}})
		if _, err := b.build(); err != nil {
			t.Fatal(err)
		}
		return b.work
	}
	few, many := work(100), work(1000)
	t.Logf("100 rules: %d, 1,000 rules: %d", few, many)
	if many > 12*few {
		t.Errorf("ten times the rules cost %d instead of %d", many, few)
	}
}

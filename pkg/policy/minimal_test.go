package policy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
)

// TestAutomataAreMinimal refines the states of finished automata in the simple
// way (Moore) and finds no two that are equivalent, and no two equal columns.
func TestAutomataAreMinimal(t *testing.T) {
	sources := []string{string(manyRules(20)) + "baseline: runtime\n"}
	for i := range uint64(20) {
		src := policygen.New(3, i).Policy()
		sources = append(sources, strings.NewReplacer("image", "none", "runtime", "none").Replace(src))
	}
	for _, src := range sources {
		rs, err := newRuleSet(mustParse(t, src), Options{})
		if err != nil {
			t.Fatal(err)
		}
		v := &verdicts{rs: rs, ids: map[string]int32{}}
		for _, k := range buildOrder {
			d, err := v.automaton(k)
			if err != nil {
				t.Fatal(err)
			}
			if got := moore(d); got != d.states() {
				t.Errorf("%s: %d states, %d would do\n%s", k, d.states(), got, src)
			}
		}
	}
}

func moore(d *dfa) int {
	block := make([]int, d.states())
	count := 0
	targets := make([]int32, d.classCount)
	for {
		ids := map[string]int{}
		next := make([]int, d.states())
		for s := range next {
			key := fmt.Append(nil, d.rows[s], block[s])
			d.targets(int32(s), targets)
			for _, to := range targets {
				key = binary.AppendUvarint(key, uint64(block[to]))
			}
			if _, ok := ids[string(key)]; !ok {
				ids[string(key)] = len(ids)
			}
			next[s] = ids[string(key)]
		}
		if len(ids) == count {
			return count
		}
		block, count = next, len(ids)
	}
}

// A policy that does not fit is refused, and the rules that cost most are
// named.
func TestTooLargeNamesTheRules(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\nbaseline: none\nrules:\n  - {id: cheap, action: file.read, path: /a, decision: allow}\n")
	for i := range 16 {
		fmt.Fprintf(&b, "  - {id: dear%d, action: file.read, path: {contains: 'x%dy', glob: '/**', endsWith: 'z%d'}, decision: allow}\n", i, i, i)
	}
	_, err := Compile(mustParse(t, b.String()), Options{})
	var size *SizeError
	if !errors.As(err, &size) {
		t.Fatalf("got %v, want a SizeError", err)
	}
	if size.Kind != KindRead || len(size.Rules) == 0 || !strings.HasPrefix(size.Rules[0], "dear") {
		t.Errorf("kind %s, rules %v", size.Kind, size.Rules)
	}
	if !strings.Contains(err.Error(), "put a literal directory before") {
		t.Errorf("%v does not say what to do", err)
	}
}

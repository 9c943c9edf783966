package policy

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
)

// literalRules returns a policy with n rules that allow directories with names
// made by name.
func literalRules(t testing.TB, n int, before string, name func(*rand.Rand) string) *Policy {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	// A document holds at most 256 KiB, so several of them give their rules.
	var out *Policy
	for i := 0; i < n; {
		var b strings.Builder
		b.WriteString("version: 1\nrules:\n" + before)
		for range 2000 {
			if i < n {
				fmt.Fprintf(&b, "  - {action: file.read, path: /srv/data/%s/**, decision: allow}\n", name(rng))
			}
			i++
		}
		p := mustParse(t, b.String())
		before = ""
		if out == nil {
			out = p
			continue
		}
		out.Rules = append(out.Rules, p.Rules...)
	}
	return out
}

func hex8(r *rand.Rand) string  { return fmt.Sprintf("%08x", r.Uint32()) }
func hex32(r *rand.Rand) string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }
func uuid(r *rand.Rand) string {
	s := hex32(r)
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// The sparse form leads where the automaton leads, from every state.
func TestSparseAgrees(t *testing.T) {
	policies := map[string]*Policy{
		"literals":       literalRules(t, 60, "", hex8),
		"suffix first":   literalRules(t, 60, "  - {action: file.read, path: '*.pem', decision: deny}\n", uuid),
		"reference":      mustParse(t, string(referenceSource(t))),
		"many":           mustParse(t, string(manyRules(40))),
		"nothing at all": mustParse(t, "version: 1\nbaseline: none\n"),
	}
	for i := range uint64(20) {
		policies[fmt.Sprint("random ", i)] = mustParse(t, policygen.New(7, i).Policy())
	}
	for name, p := range policies {
		rs, err := newRuleSet(p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		v := &verdicts{rs: rs, ids: map[string]int32{}}
		for _, k := range buildOrder {
			if k.classifies() && len(rs.list(k).steps) == 0 {
				continue
			}
			d, err := v.automaton(k)
			if err != nil {
				t.Fatal(err)
			}
			verdict := make([]uint16, d.states())
			for s := range verdict {
				verdict[s] = uint16(s * 7)
				if name == "literals" {
					verdict[s] = d.rows[s].rule
				}
			}
			compareSparse(t, fmt.Sprint(name, " ", k), d, verdict)
		}
	}
}

// compareSparse walks both forms side by side, through every transition.
func compareSparse(t *testing.T, what string, d *dfa, verdict []uint16) {
	t.Helper()
	e := d.encodeSparse(verdict)
	words := make(sparseWords, 4*len(e.words))
	for i, w := range e.words {
		binary.LittleEndian.PutUint32(words[4*i:], w)
	}
	number := make([]uint32, d.states())
	number[d.start] = e.start
	queue := []int32{d.start}
	targets := make([]int32, d.classCount)
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if got := words.says(number[s]); got != verdict[s] {
			t.Fatalf("%s: state %d says %d, want %d", what, s, got, verdict[s])
		}
		d.targets(s, targets)
		loops := true
		for c, to := range targets {
			next := words.step(number[s], e.column[c])
			if number[to] == 0 {
				number[to] = next
				queue = append(queue, to)
			}
			if next != number[to] {
				t.Fatalf("%s: state %d, class %d: leads to %d, want %d", what, s, c, next, number[to])
			}
			loops = loops && to == s
		}
		if loops != (number[s] >= e.absorbing) {
			t.Errorf("%s: state %d has number %d, loops %v, absorbing from %d", what, s, number[s], loops, e.absorbing)
		}
	}
	seen := map[uint32]int32{}
	for s, n := range number {
		if other, ok := seen[n]; ok {
			t.Fatalf("%s: states %d and %d have number %d", what, other, s, n)
		}
		seen[n] = int32(s)
	}
}

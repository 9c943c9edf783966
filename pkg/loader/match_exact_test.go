package loader

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// TestMatcherExact matches whole names of every length within a block, in both
// encodings: what stands behind a name, or in the slot from a longer one, must
// not be read.
func TestMatcherExact(t *testing.T) {
	for encoding, names := range map[string]int{"dense": 20, "sparse": 1500} {
		t.Run(encoding, func(t *testing.T) {
			m := newMatcher(t)
			rng := rand.New(rand.NewPCG(5, 6))
			var paths []string
			for i := range names {
				paths = append(paths, fmt.Sprintf("/srv/%016x%s", rng.Uint64(), strings.Repeat("x", i%33)+"y"))
			}
			src := "version: 1\nbaseline: runtime\nrules:\n"
			for _, path := range paths {
				src += "  - {action: file.read, decision: allow, path: " + path + "}\n"
			}
			p, err := policy.Parse("policy", []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			tab, err := policy.Compile(p, policy.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if tab.SizeClass() > policy.SmallTable {
				m.place = placesSmall
			}
			if got := tab.Machine(policy.KindRead).Encoding(); got != encoding {
				t.Fatalf("%s tables", got)
			}
			if err := m.install(tab); err != nil {
				t.Fatal(err)
			}
			for _, path := range paths[:min(200, names)] {
				for text, allow := range map[string]bool{path: true, path + "/": false, path[:len(path)-1]: false} {
					run, err := m.match(policy.KindRead, policy.PathSubject(false, text), policy.Classes{})
					if err != nil {
						t.Fatal(err)
					}
					if (run.Allow == 1) != allow {
						t.Errorf("%s: allow %d, want %v", text, run.Allow, allow)
					}
				}
			}
		})
	}
}

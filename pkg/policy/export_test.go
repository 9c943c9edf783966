package policy

import "math/rand/v2"

// Generator lends the random policies and subjects of the property tests to
// the tests of the rooms below.
type Generator struct{ g *generator }

// NewGenerator returns the generator of a seed.
func NewGenerator(seed, n uint64) Generator {
	return Generator{&generator{rand.New(rand.NewPCG(seed, n))}}
}

// Policy returns the text of a policy.
func (g Generator) Policy() string { return g.g.policy() }

// Subject returns a subject near the patterns of the policies.
func (g Generator) Subject(k Kind) []byte { return g.g.subject(k) }

// IntN returns a number below n.
func (g Generator) IntN(n int) int { return g.g.IntN(n) }

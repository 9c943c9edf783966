package policy

import "github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"

// Generator lends the random policies and subjects of the property tests to
// the tests of the rooms below.
type Generator struct{ g *policygen.Generator }

// NewGenerator returns the generator of a seed.
func NewGenerator(seed, n uint64) Generator { return Generator{policygen.New(seed, n)} }

// Policy returns the text of a policy.
func (g Generator) Policy() string { return g.g.Policy() }

// Subject returns a subject near the patterns of the policies.
func (g Generator) Subject(k Kind) []byte { return g.g.Subject(policygen.Kind(k)) }

// IntN returns a number below n.
func (g Generator) IntN(n int) int { return g.g.IntN(n) }

package policy

import (
	"math/rand/v2"
	"testing"
)

// What a machine says, byte by byte, is what Match says.
func TestMachineAgreesWithMatch(t *testing.T) {
	for i := range uint64(60) {
		g := &generator{rand.New(rand.NewPCG(7, i))}
		src := g.policy()
		tables := mustCompile(t, src, Options{})
		for range 200 {
			k := Kind(g.IntN(numKinds))
			subject := g.subject(k)
			if k == KindAddr && len(subject) != addrSubjects {
				continue
			}
			m := tables.Machine(k)
			s := m.Start()
			settled := false
			for _, b := range subject {
				next := m.Next(s, b)
				if settled && next != s {
					t.Fatalf("%s %q: an absorbing state changed", k, subject)
				}
				s = next
				settled = m.Absorbing(s)
			}
			if got, want := m.Verdict(s), tables.Match(k, subject); got != want {
				t.Fatalf("%s %q: the machine says %+v, Match %+v\n%s", k, subject, got, want, src)
			}
		}
	}
}

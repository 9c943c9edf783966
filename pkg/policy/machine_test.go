package policy

import (
	"testing"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/policygen"
)

// What a machine says, byte by byte, is what Match says.
func TestMachineAgreesWithMatch(t *testing.T) {
	for i := range uint64(60) {
		g := policygen.New(7, i)
		src := g.Policy()
		tables := mustCompile(t, src, Options{})
		for range 200 {
			k := Kind(g.IntN(int(KindExe)))
			subject := g.Subject(policygen.Kind(k))
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

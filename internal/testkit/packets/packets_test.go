package packets

import (
	"slices"
	"testing"
)

// agrees holds what the rules say against the library: the same name, type and
// number, and no address that the library does not see.
func agrees(t *testing.T, msg Message, read func([]byte) (Told, error)) (ok bool) {
	t.Helper()
	said, err := read(msg.Wire)
	if err != nil {
		if msg.Plain {
			t.Fatalf("a plain message was refused: %v\n%x", err, msg.Wire)
		}
		return false
	}
	want, err := Oracle(msg.Wire)
	if err != nil {
		t.Fatalf("%s: the rules take what the library refuses: %v\n%x", msg.How, err, msg.Wire)
	}
	if said.ID != want.ID || said.Name != want.Name || said.Type != want.Type {
		t.Fatalf("%s: the rules say %q %d, the library %q %d\n%x", msg.How, said.Name, said.Type, want.Name, want.Type, msg.Wire)
	}
	for _, a := range said.Addrs {
		if !slices.Contains(want.Addrs, a) {
			t.Fatalf("%s: address %s is not among the library's %v\n%x", msg.How, a, want.Addrs, msg.Wire)
		}
	}
	if msg.Plain && !slices.Equal(said.Addrs, want.Addrs) {
		t.Fatalf("a plain message: the rules say %v, the library %v\n%x", said.Addrs, want.Addrs, msg.Wire)
	}
	return true
}

// TestReferenceAgrees: the rules against the library, on queries and answers.
func TestReferenceAgrees(t *testing.T) {
	const rounds = 100_000
	m := NewMaker(1)
	taken, addrs := [2]int{}, 0
	for range rounds / 2 {
		if agrees(t, m.Query(), Query) {
			taken[0]++
		}
		a := m.Answer()
		if agrees(t, a, Answer) {
			taken[1]++
			if said, _ := Answer(a.Wire); len(said.Addrs) > 0 {
				addrs++
			}
		}
	}
	t.Logf("%d messages: %d queries and %d answers taken, %d of these with addresses; the others refused", rounds, taken[0], taken[1], addrs)
	if taken[0] < rounds/5 || taken[1] < rounds/6 || addrs < rounds/20 || taken[0] > rounds/2*9/10 || taken[1] > rounds/2*9/10 {
		t.Error("too few of them are refused, or taken, to say much")
	}
}

func FuzzQuery(f *testing.F) {
	m := NewMaker(2)
	for range 200 {
		f.Add(m.Query().Wire)
	}
	f.Fuzz(func(t *testing.T, b []byte) { agrees(t, Message{Wire: b, How: "fuzzed"}, Query) })
}

func FuzzAnswer(f *testing.F) {
	m := NewMaker(3)
	for range 200 {
		f.Add(m.Answer().Wire)
	}
	f.Fuzz(func(t *testing.T, b []byte) { agrees(t, Message{Wire: b, How: "fuzzed"}, Answer) })
}

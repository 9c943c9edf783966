package loader

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// swaps is how often a racing test renames.
func swaps() int {
	if long() {
		return 100000
	}
	return 5000
}

// TestWalkHolds: a directory high above an open file changes parent and name
// all the time. Each path that is judged is one that the file had: a mixture of
// an old name and a new parent never is, and none is given up on. The second
// round is that of a kernel that hides its symbols.
func TestWalkHolds(t *testing.T) {
	t.Run("symbols", func(t *testing.T) { walkHolds(t, sharedGate(t)) })
	t.Run("hidden", func(t *testing.T) { walkHolds(t, ownGate(t, Options{hideSymbols: true})) })
}

func walkHolds(t *testing.T, g *Gate) {
	n, tb := install(t, g, everything)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	dir := t.TempDir()
	below := "b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"
	a, b := filepath.Join(dir, "one/first"), filepath.Join(dir, "two/second")
	file(t, filepath.Join(a, below), "file")
	if err := os.Mkdir(filepath.Join(dir, "two"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := startChild(t, gr)
	fd := c.number("path %s", filepath.Join(a, below))
	drain(t, g)
	c.want("ok", "hammer-at %d file", fd)
	seen := map[string]int{}
	collect := func() {
		for _, e := range drain(t, g) {
			seen[string(e.Subject)]++
			if e.Verdict != Allow {
				t.Errorf("event %+v, rule %s", *e, tb.Rules[e.Rule].Name)
			}
		}
	}
	for i := range swaps() {
		from, to := a, b
		if i%2 == 1 {
			from, to = b, a
		}
		if err := unix.Rename(from, to); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			collect()
		}
	}
	answer := c.ask("stop")
	collect()
	var ok, denied int
	if !scan(answer, "ok %d denied %d", &ok, &denied) || ok == 0 || denied != 0 {
		t.Errorf("opens: %s", answer)
	}
	for s, n := range seen {
		if s != filepath.Join(a, below, "file") && s != filepath.Join(b, below, "file") {
			t.Errorf("%d opens were judged by a path that never was: %s", n, s)
		}
	}
	if len(seen) == 0 {
		t.Error("no open was judged")
	}
	t.Logf("%d swaps, %s", swaps(), answer)
}

package agent

import (
	"fmt"
	"testing"
)

// TestNamesInUse: who makes new names without end does not have those forgotten
// that are in use.
func TestNamesInUse(t *testing.T) {
	n := newNames()
	n.put(0, []byte("in use"))
	n.put(1, []byte("idle"))
	for i := uint64(2); i < 4*namesMax; i++ {
		n.put(i, fmt.Appendf(nil, "new %d", i))
		if i%(namesMax/4) == 0 && string(n.get(0)) != "in use" {
			t.Fatalf("forgotten after %d new names", i)
		}
		if size := len(n.recent) + len(n.older); size > namesMax {
			t.Fatalf("%d names", size)
		}
	}
	if name := n.get(1); name != nil {
		t.Errorf("%q is still there", name)
	}
}

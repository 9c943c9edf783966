package auditforge

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// stolen is a log of three segments and the private key of the last one, which
// is all that a thief finds.
func stolen(t *testing.T) (Log, Key) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	check(t, Bases()["rotated"].Write(t.Context(), dir))
	l, err := Load(dir)
	check(t, err)
	keys, err := filepath.Glob(filepath.Join(dir, "*.key"))
	check(t, err)
	if len(keys) != 1 || len(l.Segments()) != 3 {
		t.Fatalf("%d keys for %d segments", len(keys), len(l.Segments()))
	}
	private, err := os.ReadFile(keys[0])
	check(t, err)
	rs := l.Records()
	public := regexp.MustCompile(`"key":"([^"]*)"`).FindSubmatch(rs[27].Line)
	return l, ParseKey(string(private), string(public[1]))
}

func verdicts(t *testing.T, l Log, anchor audit.Anchor, key string) [3]audit.Outcome {
	t.Helper()
	return [3]audit.Outcome{
		verify(t, l, audit.VerifyOptions{}).Verdict,
		verify(t, l, audit.VerifyOptions{Anchors: []audit.Anchor{anchor}}).Verdict,
		verify(t, l, audit.VerifyOptions{Key: key}).Verdict,
	}
}

// A6: who has the key in use can write what he likes after the last anchor, and
// nothing into what was sealed before.
func TestAStolenKey(t *testing.T) {
	l, key := stolen(t)
	anchor, err := Whole(l)
	check(t, err)
	sealed := l.Clone()
	sealed.SetRecords(Resign(sealed, replace(16, "secret-3", "secret-9")(sealed.Records()), key, 12))
	if got := verdicts(t, sealed, anchor, l.BirthKey()); got != [3]audit.Outcome{tampered, tampered, tampered} {
		t.Errorf("a sealed segment signed with a later key: %v", got)
	}
	active := l.Clone()
	active.SetRecords(Resign(active, replace(31, "done", "fine")(active.Records()), key, 28))
	if got := verdicts(t, active, anchor, l.BirthKey()); got != [3]audit.Outcome{unanchored, tampered, unanchored} {
		t.Errorf("the active segment signed with its key: %v", got)
	}

	// A7: two histories, each of which verifies.
	other, err := Whole(active)
	check(t, err)
	for name, c := range map[string]struct {
		log    Log
		anchor audit.Anchor
		want   audit.Outcome
	}{"the first, its own": {l, anchor, proven}, "the second, its own": {active, other, proven}, "the first, the second's": {l, other, tampered}, "the second, the first's": {active, anchor, tampered}} {
		if r := verify(t, c.log, audit.VerifyOptions{Anchors: []audit.Anchor{c.anchor}}); r.Verdict != c.want {
			t.Errorf("%s anchor: %s", name, r.Verdict)
		}
	}
}

// A4: the log is gone, or another one stands in its place.
func TestAnotherLogInItsPlace(t *testing.T) {
	base := bases(t)
	anchor, err := Whole(base["plain"])
	check(t, err)
	if got := verdicts(t, base["other"], anchor, base["plain"].BirthKey()); got != [3]audit.Outcome{unanchored, tampered, tampered} {
		t.Errorf("%v", got)
	}
	dir := filepath.Join(t.TempDir(), "log")
	check(t, os.Mkdir(dir, 0o700))
	if _, err := audit.Verify(t.Context(), dir, audit.VerifyOptions{Anchors: []audit.Anchor{anchor}}); !errors.Is(err, audit.ErrNoLog) {
		t.Errorf("nothing at all: %v", err)
	}
}

// An anchor that is older than what is left says so.
func TestAnAnchorOfWhatRetentionRemoved(t *testing.T) {
	l := bases(t)["removed"]
	old := audit.Anchor{Size: 2, Source: "long ago"}
	whole, err := Whole(l)
	check(t, err)
	r := verify(t, l, audit.VerifyOptions{Anchors: []audit.Anchor{old}})
	if r.Verdict != unanchored || r.Anchors[0].State != audit.AnchorUnknown {
		t.Errorf("%s %+v", r.Verdict, r.Anchors)
	}
	if r := verify(t, l, audit.VerifyOptions{Anchors: []audit.Anchor{whole, old}}); r.Verdict != proven || r.Anchored != whole.Size {
		t.Errorf("%s %+v", r.Verdict, r.Anchors)
	}
	// Retention's own header has the root of all that was before it.
	head := l.Records()[0]
	root := regexp.MustCompile(`"root":"([0-9a-f]{64})"`).FindSubmatch(head.Line)
	atBase := audit.Anchor{Size: head.Seq(), Source: "then"}
	atBase.Root, err = audit.ParseHash(string(root[1]))
	check(t, err)
	if r := verify(t, l, audit.VerifyOptions{Anchors: []audit.Anchor{atBase}}); r.Verdict != proven {
		t.Errorf("%s %+v", r.Verdict, r.Anchors)
	}
	atBase.Root[0] ^= 1
	if r := verify(t, l, audit.VerifyOptions{Anchors: []audit.Anchor{atBase}}); r.Verdict != tampered {
		t.Errorf("%s %+v", r.Verdict, r.Anchors)
	}
}

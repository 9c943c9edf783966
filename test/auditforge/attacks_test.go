package auditforge

import (
	"path/filepath"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// bases writes the logs that attacks are made on.
func bases(tb testing.TB) map[string]Log {
	tb.Helper()
	out := map[string]Log{}
	for name, b := range Bases() {
		dir := filepath.Join(tb.TempDir(), name)
		check(tb, b.Write(tb.Context(), dir))
		l, err := Load(dir)
		check(tb, err)
		out[name] = l
	}
	return out
}

func verify(tb testing.TB, l Log, opts audit.VerifyOptions) *audit.Report {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "log")
	check(tb, l.Save(dir))
	r, err := audit.Verify(tb.Context(), dir, opts)
	check(tb, err)
	return r
}

// Every attack gets the verdict that the table says, with the files only, with
// an anchor and with the birth key.
func TestAttacks(t *testing.T) {
	base := bases(t)
	for _, a := range Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			l := base[a.Base].Clone()
			a.Do(l, base)
			anchor, err := Whole(base[a.Base])
			check(t, err)
			key := base[a.Base].BirthKey()
			r := verify(t, l, audit.VerifyOptions{})
			if r.Verdict != a.Verdict {
				t.Errorf("%s: %s, want %s; %+v", a.What, r.Verdict, a.Verdict, r.Bad)
			}
			bad := -1
			if r.Bad != nil && segmentName.MatchString(r.Bad.Segment) {
				bad = int(r.Bad.Seq)
			}
			if bad != a.Bad && a.Bad != -2 {
				t.Errorf("%s: first bad record %d, want %d; %+v", a.What, bad, a.Bad, r.Bad)
			}
			if r := verify(t, l, audit.VerifyOptions{Anchors: []audit.Anchor{anchor}}); r.Verdict != a.Anchored {
				t.Errorf("%s, with an anchor: %s, want %s; %+v", a.What, r.Verdict, a.Anchored, r.Bad)
			}
			if r := verify(t, l, audit.VerifyOptions{Key: key}); r.Verdict != a.Keyed {
				t.Errorf("%s, with the birth key: %s, want %s; %+v", a.What, r.Verdict, a.Keyed, r.Bad)
			}
		})
	}
}

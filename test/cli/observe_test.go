package cli

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/test/gated"
)

// watched is what TestObserve observes and enforces.
const watched = `version: 1
baseline: runtime
rules:
  - {id: secret, action: file.*, path: /out/b/secret/**, decision: deny}
  - {id: out, action: file.*, path: /out/**, decision: allow}
  - {id: box, action: process.exec, path: /out/busybox, command: "/out/busybox true", decision: allow}
  - {id: run, action: process.exec, path: {in: [/out/named, /out/script]}, decision: allow}
  - {id: named, action: file.read, path: /deny/only-named, exe: /out/named, decision: allow}
`

// TestObserve: under a policy that observes a program does and finds what it
// does and finds under one that allows everything, and the log has each act that
// would have been denied, one by one, by rule, object and executable; the same
// policy enforced denies exactly those. What is built in stays denied.
func TestObserve(t *testing.T) {
	p := newPlace(t)
	run := func(src, mode string) (string, []record) {
		t.Helper()
		if err := muchFiles(p.root); err != nil {
			t.Fatal(err)
		}
		p.log = t.TempDir() + "/log"
		if mode != "" && long() {
			if err := os.WriteFile(p.policy, []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
			out, _ := expect(t, 0, p.run([]string{"--mode", mode, "--root", p.root}, "/act", "much"))
			p.verify(0)
			return out, p.records()
		}
		r := suite.Run(t, agent.RunOptions{Tables: gated.Policy(t, []byte(src), mode, true), LogDir: p.log, Root: p.root, Argv: []string{"/act", "much"}})
		r.Ended(t, 0)
		return r.Output, p.records()
	}
	free, all := run("version: 1\ndefaultAction: allow\nbaseline: none\n", "")
	for _, r := range all {
		if r.Verdict == "deny" && r.Rule != "builtin/mount" || r.Verdict == "would-deny" {
			t.Errorf("denied where everything is allowed: %+v", r)
		}
	}
	seen, observed := run(watched, "observe")
	if seen != free {
		t.Errorf("observed, the program finds\n%s\nand where everything is allowed\n%s", seen, free)
	}
	ends, enforced := run(watched, "")

	would, denied := judged(observed, "would-deny"), judged(enforced, "deny")
	for subject := range byName(would) {
		w, d := byName(would)[subject], byName(denied)[subject]
		// Denied, an act on two names ends there; observed, it meets the next question.
		if two := subject == "/deny/old" || subject == "/deny/linked"; two && len(d) == 1 && len(w) == 2 {
			w = w[:1]
		}
		if !slices.Equal(w, d) {
			t.Errorf("%s: would be denied:%s\nwas denied:%s", subject, lines(w), lines(d))
		}
	}
	for subject, d := range byName(denied) {
		if byName(would)[subject] == nil {
			t.Errorf("%s: not observed:%s", subject, lines(d))
		}
	}
	if t.Failed() || len(denied) < len(deeds)*3/4 {
		t.Errorf("%d would be denied:%s\n%d were:%s\nenforced, it says\n%s", len(would), lines(would), len(denied), lines(denied), ends)
	}
	counts := map[string]int{}
	for _, r := range would {
		counts[r.Subject]++
		if !strings.HasPrefix(r.Process.Exe, "/") || r.Errno != 0 {
			t.Errorf("record %+v", r)
		}
	}
	if counts["/deny/read"] != 3 {
		t.Errorf("%d records of three opens", counts["/deny/read"])
	}
	for _, rs := range [][]record{observed, enforced} {
		if !slices.ContainsFunc(rs, func(r record) bool { return r.Rule == "builtin/mount" && r.Verdict == "deny" }) {
			t.Error("what is built in was not denied")
		}
	}
}

// judged are the decisions with a verdict by the policy's own rules, in the order
// in which they were taken.
func judged(rs []record, verdict string) []record {
	var out []record
	for _, r := range rs {
		if r.Kind == "decision" && r.Verdict == verdict && r.Rule != "builtin/mount" {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b record) int { return cmp.Compare(a.KTime, b.KTime) })
	return out
}

// byName are records by what they are about, without what tells runs apart.
func byName(rs []record) map[string][]record {
	out := map[string][]record{}
	for _, r := range rs {
		r.Verdict, r.Errno, r.KTime = "", 0, 0
		out[r.Subject] = append(out[r.Subject], r)
	}
	return out
}

func lines(rs []record) string {
	var b strings.Builder
	for _, r := range rs {
		b.WriteString("\n  " + strings.Join([]string{r.Action, r.Hook, r.Subject, r.Rule, r.Process.Exe}, " "))
	}
	return b.String()
}

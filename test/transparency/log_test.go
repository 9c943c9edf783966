package transparency

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unlisted denies kinds of sockets that the policy cannot relax (CAN, RDS, ...).
// What the works say is the same, since their kernel has no module for them.
const unlisted = "builtin/socket-family"

// zeroDenials names each action that the log says was denied. Decisions may be
// declared lost, since bursts are part of the load; unexplained none may be.
func zeroDenials(t *testing.T, log string) {
	t.Helper()
	out, err := exec.Command(nodeAgent, "audit", "verify", "--unanchored", "-o", "json", log).Output()
	if err != nil {
		t.Fatalf("audit verify: %v\n%s", err, out)
	}
	var rep struct {
		Balance struct{ Declared, Unexplained uint64 }
	}
	names, gerr := filepath.Glob(log + "/*.jsonl")
	if err := errors.Join(json.Unmarshal(out, &rep), gerr); err != nil || len(names) == 0 {
		t.Fatalf("%v, %d segments", err, len(names))
	}
	if rep.Balance.Unexplained != 0 {
		t.Errorf("%d decisions are unexplained", rep.Balance.Unexplained)
	}
	denied := map[string]int{}
	records, decisions := 0, 0
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		for l := range bytes.Lines(b) {
			var r struct {
				Kind, Verdict, Action, Subject, Rule, Hook string
				Count                                      int
				Process                                    struct{ Exe string }
			}
			if err := json.Unmarshal(l, &r); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			if r.Kind != "decision" && r.Kind != "counted" {
				continue
			}
			records++
			decisions += max(r.Count, 1)
			if strings.HasSuffix(r.Verdict, "deny") && r.Rule != unlisted {
				denied[strings.Join([]string{r.Verdict, r.Action, r.Subject, "by", r.Process.Exe, "rule", r.Rule, "hook", r.Hook}, " ")]++
			}
		}
	}
	for d, n := range denied {
		t.Errorf("%d times %s", n, d)
	}
	t.Logf("%d decisions in %d records, %d declared lost", decisions, records, rep.Balance.Declared)
}

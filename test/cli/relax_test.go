package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestAllowRelaxation: a built-in denial stands whatever the rules allow; a
// policy relaxes it only where the operator lets it, and what passes then is
// recorded under the built-in rule.
func TestAllowRelaxation(t *testing.T) {
	p := newPlace(t)
	const log, rule = "/dev/kmsg", "builtin/kernel_log"
	rules := "rules: [{id: log, action: file.read, path: " + log + ", decision: allow}]\n"
	decided := func(verdict string) {
		t.Helper()
		if !slices.ContainsFunc(p.records(), func(r record) bool { return r.Subject == log && r.Rule == rule && r.Verdict == verdict }) {
			t.Errorf("no record of %s on %s by %s", verdict, log, rule)
		}
	}
	policy := func(text string) {
		t.Helper()
		if err := os.WriteFile(p.policy, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	policy("version: 1\n" + rules)
	expect(t, 13, p.run(nil, p.act, "open", log))
	decided("deny")

	policy("version: 1\nbuiltin:\n  kernel_log: allow\n" + rules)
	p.log += "2"
	_, said := expect(t, 2, p.run(nil, p.act, "open", log))
	for _, want := range []string{fmt.Sprintf("%s:3:15: ", p.policy), `"kernel_log"`, "--allow-relaxation kernel_log"} {
		if !strings.Contains(said, want) {
			t.Errorf("the message lacks %s:\n%s", want, said)
		}
	}
	if _, err := os.Stat(p.log); err == nil {
		t.Error("a policy that is refused left a log")
	}
	expect(t, 0, p.run([]string{"--allow-relaxation", "kernel_log"}, p.act, "open", log))
	decided("allow")
}

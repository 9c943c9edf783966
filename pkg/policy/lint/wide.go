package lint

import (
	"fmt"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Names that no rule is written for: a rule that matches all of them matches
// nearly anything.
var anywhere = []string{"/zq7x", "/zq7x/zq7x", "/etc/zq7x", "/usr/bin/zq7x", "/home/zq7x/zq7x"}

// wide finds allows that leave hardly anything denied.
func (l *linter) wide() {
	if r := l.everywhere(policy.KindWrite); r != nil {
		l.about(r, Warning, "wide-write", "it allows writing nearly everywhere, programs and their configuration included",
			"name the directories that the program writes to, such as /app/output/** and /tmp/**")
	}
	if r := l.everywhere(policy.KindExec); r != nil {
		l.about(r, Warning, "wide-exec", "it allows nearly every program, also one that the process has written itself",
			"name the programs; the entry point needs no rule")
	}
	for i := range l.policy.Rules {
		if r := &l.policy.Rules[i]; r.Actions.Has(policy.ActionNetwork) && allows(r) {
			l.wideNetwork(r)
		}
	}
}

// everywhere returns the rule that allows a kind of action on all names of
// anywhere.
func (l *linter) everywhere(k policy.Kind) *policy.Rule {
	var number uint16
	for i, path := range anywhere {
		v := l.tables.Match(k, policy.PathSubject(false, path))
		if !v.Allow || i > 0 && v.Rule != number {
			return nil
		}
		number = v.Rule
	}
	return l.own(number)
}

func (l *linter) wideNetwork(r *policy.Rule) {
	const do = "name hosts, or the address range that is meant"
	if r.Host == nil && len(r.CIDRs) == 0 {
		where := "every host on every port"
		if len(r.Ports) > 0 {
			where = "every host, on the ports it names"
		}
		l.about(r, Warning, "wide-network", "it allows "+where, do)
		return
	}
	for _, c := range r.CIDRs {
		if c.Bits() == 0 && r.Host == nil {
			l.about(r, Warning, "wide-network", fmt.Sprintf("cidr %s is every address", c), do)
		}
	}
}

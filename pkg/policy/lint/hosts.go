package lint

import (
	"fmt"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// hosts looks at rules about the network, field by field.
func (l *linter) hosts() {
	for i := range l.policy.Rules {
		r := &l.policy.Rules[i]
		if !r.Actions.Has(policy.ActionNetwork) {
			continue
		}
		if r.Host != nil {
			l.hostSuffixes(r)
		}
		switch {
		case !allows(r):
		case r.Host != nil && len(r.Ports) == 0:
			l.about(r, Info, "host-any-port", "it allows every port of the hosts it names", "add port: 443 if that is all that is needed")
		case r.Host == nil && len(r.CIDRs) > 0:
			l.about(r, Info, "cidr-no-names", "cidr allows addresses; no name is resolved because of it", "add a rule with host if the program connects by name")
		}
	}
}

func (l *linter) hostSuffixes(r *policy.Rule) {
	for _, c := range r.Host.Conditions {
		for i, v := range c.Values {
			if c.Operator == policy.OpEndsWith && !strings.HasPrefix(v, ".") {
				l.at(r, c.Places[i], Warning, "host-suffix", fmt.Sprintf("endsWith: %q means %s itself and every name below it", v, v),
					fmt.Sprintf("write %q for the names below it, and equals: %q for itself", "."+v, v))
			}
		}
	}
}

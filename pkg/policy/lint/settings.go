package lint

import (
	"fmt"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// settings looks at what stands beside the rules.
func (l *linter) settings() {
	if l.policy.DefaultAction == policy.DecisionAllow {
		l.whole(Warning, "default-allow", "defaultAction: allow: everything that no rule denies is allowed",
			"write defaultAction: deny and allow what the program needs; mode: observe shows what that is")
	}
	if l.tables.Observe {
		l.whole(Info, "observe", "mode: observe: denials are recorded and not enforced", "write mode: enforce once the records show no denial of what is needed")
	}
	for _, name := range l.policy.Builtin {
		do := "leave it out unless the program cannot do without"
		if !slices.Contains(policy.DefaultRelaxations(), name) {
			do += "; the operator must let policies relax it"
		}
		l.whole(Warning, "builtin-relaxed", fmt.Sprintf("builtin: {%s: allow} opens what is denied to every pod", name), do)
	}
}

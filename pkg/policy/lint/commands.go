package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// commands looks at rules about commands.
func (l *linter) commands() {
	for i := range l.policy.Rules {
		r := &l.policy.Rules[i]
		if r.Command == nil {
			continue
		}
		byName := false
		for _, c := range r.Command.Conditions {
			for j, v := range c.Values {
				words := strings.Fields(v)
				if c.Operator == policy.OpGlob && !slices.Contains(words, "**") {
					l.at(r, c.Places[j], Warning, "command-exact", fmt.Sprintf("%q is the whole command: it does not match with one argument more", v),
						fmt.Sprintf("write %q, or startsWith: %q, if more arguments may follow", v+" **", v))
				}
				fromStart := c.Operator != policy.OpEndsWith && c.Operator != policy.OpContains
				byName = byName || !(fromStart && strings.HasPrefix(v, "/"))
			}
		}
		if byName && allows(r) && r.Path == nil {
			l.about(r, Info, "command-by-name", "a program named without its directory is allowed from /bin, /sbin, /usr/{,local/}{bin,sbin} only",
				"begin the pattern with the full path, or add path, for a program elsewhere")
		}
	}
}

package lint

import (
	"fmt"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// files looks at how reading and writing go together.
func (l *linter) files() {
	writable := false
	for _, volume := range []bool{false, true} {
		writable = writable || l.tables.Match(policy.KindWrite, policy.PathSubject(volume, "/tmp/zq7x")).Allow
	}
	if !writable {
		l.whole(Info, "no-tmp", "no rule lets the program write to /tmp, which many programs need",
			"allow file.write (and file.read) on /tmp/** if it does")
	}
	seen := map[*policy.Rule]bool{}
	product.EachReadBack(l.tables, func(write, read policy.Verdict, a product.Action) {
		r := l.own(write.Rule)
		if r == nil || seen[r] || !write.Allow || read.Allow {
			return
		}
		seen[r] = true
		l.about(r, Info, "write-without-read",
			fmt.Sprintf("what it lets the program write, such as %s, cannot be opened for reading (%s denies that)", a, l.tables.Rules[read.Rule].Name),
			"allow file.read as well if the program reads its files again; an open for both needs file.write alone")
	})
}

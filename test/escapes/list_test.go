package escapes

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// escape is one technique, and the denial that ends it.
type escape struct {
	id        string // of the list of attacks that the suite follows, with a letter where one has several ways
	technique string

	// One of these says what becomes of it:
	do     func() error // the act, by a process of its own
	test   string       // a test elsewhere, "pkg/loader TestSticky"
	reason string       // why there is neither

	// The record: which hook denied what action on which subject by which rule.
	hook, action, subject, rule string
	// rules, where set, is the policy in place of the shared one.
	rules string
	// setup, where set, adds to the tree, before either act.
	setup func() error
	// hand, where set, gives the descriptor that the act receives over its socket, in place of the key's.
	hand func() (int, error)
	// inherit, where set, gives a descriptor that the act inherits as its fifth.
	inherit func() (int, error)
	// during, where set, is what another process does, again and again, while the act goes on.
	during func() error
	// end is how the gated act ends, if not with EACCES; with "ok" the record is of its allowance.
	end string
	// lacks, where set, says what the running kernel does not have.
	lacks func() string
	// left, where set, is a path that must not exist after the gated act.
	left string
}

// escapes is the whole list, in order. Each part has a file of its own.
func escapes() []escape {
	all := slices.Concat(pathActs, mountActs, deepActs, traceActs, execActs, scopeActs, setnsActs, outsideActs, systemActs, socketActs, netActs, dnsActs, keyActs, lifecycleActs, guardActs)
	slices.SortStableFunc(all, func(a, b escape) int {
		ka, na, wa := a.order()
		kb, nb, wb := b.order()
		const kinds = "PXNDSUEA"
		return cmp.Or(cmp.Compare(strings.Index(kinds, ka), strings.Index(kinds, kb)), cmp.Compare(na, nb), cmp.Compare(len(wa), len(wb)), cmp.Compare(wa, wb))
	})
	return all
}

var idForm = regexp.MustCompile(`^([PXNDSUEA])([0-9]+)([a-z]*)$`)

// order is kind, number and letter of the id.
func (e *escape) order() (kind string, number int, way string) {
	m := idForm.FindStringSubmatch(e.id)
	if m == nil {
		return e.id, 0, ""
	}
	n, err := strconv.Atoi(m[2])
	if err != nil {
		return e.id, 0, ""
	}
	return m[1], n, m[3]
}

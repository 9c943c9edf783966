package diff

import (
	"cmp"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

// Direction says where a change leads.
type Direction uint8

// The directions. Neither is a change that allows no more and no less, such as
// one of what is recorded.
const (
	Wider Direction = iota
	Narrower
	Neither
)

var directionNames = [...]string{"wider", "narrower", "neither"}

// String returns the name of the direction.
func (d Direction) String() string { return directionNames[d] }

// Side is one of the two policies, parsed and compiled.
type Side struct {
	Policy *policy.Policy
	Tables *policy.Tables
}

// Change is a difference between verdicts: for all actions that the one rule
// decided and the other decides now, with an example.
type Change struct {
	Direction        Direction
	Action           product.Action
	Old, New         policy.Verdict
	OldRule, NewRule policy.RuleInfo

	known bool // the example needs no executable or command that cannot be told
}

// Report is all that differs. Of two policies with an empty report, each does
// what the other does.
type Report struct {
	Changes  []Change
	Settings []Setting
}

// Equal reports whether nothing differs.
func (r *Report) Equal() bool { return len(r.Changes) == 0 && len(r.Settings) == 0 }

// Directions reports which directions the differences have.
func (r *Report) Directions() (found [3]bool) {
	for _, c := range r.Changes {
		found[c.Direction] = true
	}
	for _, s := range r.Settings {
		found[s.Direction] = true
	}
	return found
}

// Compare finds the differences between two policies.
func Compare(older, newer Side) *Report {
	r := &Report{Settings: settings(older, newer)}
	tables := []*policy.Tables{older.Tables, newer.Tables}
	kinds := []policy.Kind{
		policy.KindRead, policy.KindWrite, policy.KindDelete, policy.KindExec, policy.KindMap, policy.KindHost, policy.KindAddr,
	}
	for _, k := range kinds {
		var found []Change
		product.Each(k, tables, func(o product.Outcome) { found = appendChange(found, older, newer, o) })
		r.Changes = append(r.Changes, found...)
	}
	// Opening for both is decided by two rules, and adds to the above only
	// where a change of file.read alone does not show it.
	var found []Change
	product.EachOpen(tables, func(o product.Outcome) { found = appendChange(found, older, newer, o) })
	for _, c := range found {
		if !slices.ContainsFunc(r.Changes, c.repeats) {
			r.Changes = append(r.Changes, c)
		}
	}
	slices.SortStableFunc(r.Changes, func(a, b Change) int { return cmp.Compare(a.Direction, b.Direction) })
	return r
}

// repeats reports whether other already says what c says, about one half of
// opening a file for reading and writing.
func (c *Change) repeats(other Change) bool {
	return c.Direction == other.Direction && c.Old.Rule == other.Old.Rule && c.New.Rule == other.New.Rule &&
		(other.Action.Kind == policy.KindRead || other.Action.Kind == policy.KindWrite)
}

// saidBySetting reports whether an action is recorded otherwise only because
// the audit section is another one, which settings says in one line.
func (c *Change) saidBySetting(older, newer Side) bool {
	isAudit := func(r policy.RuleInfo) bool { return r.Decision == policy.DecisionAudit }
	return older.Policy.Audit.CountAllows != newer.Policy.Audit.CountAllows && isAudit(c.OldRule) == isAudit(c.NewRule)
}

// appendChange adds what an outcome shows, once for each pair of rules and
// direction.
func appendChange(found []Change, older, newer Side, o product.Outcome) []Change {
	was, is := o.Verdicts[0], o.Verdicts[1]
	direction := Neither
	switch {
	case is.Allow && !was.Allow:
		direction = Wider
	case was.Allow && !is.Allow:
		direction = Narrower
	case !was.Allow || was.Count == is.Count:
		return found
	}
	c := Change{direction, o.Action, was, is, older.Tables.Rules[was.Rule], newer.Tables.Rules[is.Rule], o.Known}
	if direction == Neither && c.saidBySetting(older, newer) {
		return found
	}
	same := func(f Change) bool {
		return f.Direction == direction && f.Old.Rule == was.Rule && f.New.Rule == is.Rule
	}
	if i := slices.IndexFunc(found, same); i >= 0 {
		if o.Known && !found[i].known { // the better example
			found[i] = c
		}
		return found
	}
	return append(found, c)
}

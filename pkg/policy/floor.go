package policy

import (
	"fmt"
	"slices"
	"strings"
)

// ParseFloor reads a cluster's floor: a policy whose denies are evaluated
// before every pod's rules, whose audit rules have what they match recorded one
// by one, and whose settings cap what a pod's policy may say. Rules that allow,
// and fields that mean nothing in a floor, are errors.
func ParseFloor(name string, src []byte) (*Policy, error) {
	return Parse(name, src, func(p *parser) { p.floor = true })
}

// onlyFloor reports fields that a floor cannot set: they would look as if they
// held for every pod.
func (p *parser) onlyFloor(pol *Policy, root *ynode) {
	for _, key := range root.keys {
		switch key.text {
		case "onAgentLoss", "dns", "connections":
		case "defaultAction":
			if pol.DefaultAction == DecisionDeny {
				continue
			}
		default:
			continue
		}
		p.fail(key, fmt.Sprintf("%s is a matter of each policy: a floor does not set or cap it", key.text),
			"leave it out; a floor caps mode, baseline, entrypoint, builtin, audit and onAuditLoss")
	}
}

// capped returns the policy as the floor lets it be, and what was changed, in
// words.
func capped(p Policy, floor *Policy) (Policy, []string) {
	if floor == nil {
		return p, nil
	}
	var changes []string
	limit := func(what string, have *string, most string, order ...string) {
		if slices.Index(order, *have) > slices.Index(order, most) {
			changes = append(changes, fmt.Sprintf("%s: %s instead of %s", what, most, *have))
			*have = most
		}
	}
	if floor.given.mode {
		limit("mode", &p.Mode, floor.Mode, "enforce", "observe")
	}
	if floor.Baseline != "" {
		limit("baseline", &p.Baseline, floor.Baseline, "none", "runtime", "image")
	}
	limit("entrypoint", &p.Entrypoint, floor.Entrypoint, "deny", "single", "chain")
	limit("onAuditLoss", &p.OnAuditLoss, floor.OnAuditLoss, "deny", "continue")
	if both := p.Audit.CountAllows & floor.Audit.each; both != 0 {
		changes = append(changes, fmt.Sprintf("audit: each allowed %s recorded instead of counted", both))
		p.Audit.CountAllows &^= both
	}
	if floor.given.builtin {
		var refused []string
		p.Builtin = slices.DeleteFunc(slices.Clone(p.Builtin), func(name string) bool {
			if slices.Contains(floor.Builtin, name) {
				return false
			}
			refused = append(refused, name)
			return true
		})
		if len(refused) > 0 {
			changes = append(changes, "builtin: "+strings.Join(refused, ", ")+" not relaxed")
		}
	}
	return p, changes
}

// DenyAll compiles what is enforced where a pod's policy does not fit the
// tables together with the floor: nothing is allowed but what the baseline
// allows, and the floor's denies stand before it. A floor for which DenyAll
// fails is too large to be used at all.
func DenyAll(floor *Policy, o Options) (*Tables, error) {
	p, err := Parse("deny-all", []byte("version: 1\n"))
	if err != nil {
		return nil, err
	}
	o.Floor, o.Mode = floor, ""
	return Compile(p, o)
}

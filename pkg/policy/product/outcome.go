package product

import "github.com/authensor/safeclaw-node-agent/pkg/policy"

// Outcome is what several tables say about one action: an example of all
// actions about which they say the same.
type Outcome struct {
	Verdicts []policy.Verdict // in the order of the tables
	Action   Action
}

// Each calls visit once for each combination of verdicts that the tables give
// together on an action of kind k, with one of the shortest such actions.
func Each(k policy.Kind, tables []*policy.Tables, visit func(Outcome)) {
	each(k, tables, func(states) bool { return false }, visit)
}

// EachMatched is Each for what a rule of the first tables' own policy matches.
func EachMatched(k policy.Kind, tables []*policy.Tables, visit func(Outcome)) {
	first := tables[0].Machine(k)
	own := func(v policy.Verdict) bool { return tables[0].Rules[v.Rule].Origin == policy.OriginUser }
	hopeless := func(at states) bool { return first.Absorbing(at[0]) && !own(first.Verdict(at[0])) }
	each(k, tables, hopeless, func(o Outcome) {
		if own(o.Verdicts[0]) {
			visit(o)
		}
	})
}

func each(k policy.Kind, tables []*policy.Tables, hopeless func(states) bool, visit func(Outcome)) {
	machines := make([]policy.Machine, len(tables))
	for i, t := range tables {
		machines[i] = t.Machine(k)
	}
	seen := map[[maxMachines]policy.Verdict]bool{}
	for _, sh := range shapesOf(k) {
		run(sh, machines, hopeless, func(at states, subject func() []byte) {
			var key [maxMachines]policy.Verdict
			for i, m := range machines {
				key[i] = m.Verdict(at[i])
			}
			if !seen[key] {
				seen[key] = true
				visit(Outcome{append([]policy.Verdict(nil), key[:len(tables)]...), Action{Kind: k, Subject: subject()}})
			}
		})
	}
}

// EachOpen is Each for opening a file for reading and writing at once, which
// file.write decides alone unless a file.read rule with a path denies it.
func EachOpen(tables []*policy.Tables, visit func(Outcome)) {
	var machines []policy.Machine
	for _, t := range tables {
		machines = append(machines, t.Machine(policy.KindWrite), t.Machine(policy.KindRead))
	}
	seen := map[[maxMachines]policy.Verdict]bool{}
	run(pathShape{}, machines, func(states) bool { return false }, func(at states, subject func() []byte) {
		var key [maxMachines]policy.Verdict
		for i := range tables {
			key[i] = openVerdict(machines[2*i].Verdict(at[2*i]), machines[2*i+1].Verdict(at[2*i+1]))
		}
		if !seen[key] {
			seen[key] = true
			visit(Outcome{
				append([]policy.Verdict(nil), key[:len(tables)]...),
				Action{Kind: policy.KindWrite, Reading: true, Subject: subject()},
			})
		}
	})
}

func openVerdict(write, read policy.Verdict) policy.Verdict {
	if write.Allow && !read.Allow && read.Matched {
		return read
	}
	return write
}

// Ask returns what the tables say about an action, as Match does.
func Ask(t *policy.Tables, a Action) policy.Verdict {
	v := t.Match(a.Kind, a.Subject)
	if a.Reading {
		v = openVerdict(v, t.Match(policy.KindRead, a.Subject))
	}
	return v
}

// EachReadBack calls visit once for each combination of what the tables say
// about writing a file and about reading it.
func EachReadBack(t *policy.Tables, visit func(write, read policy.Verdict, a Action)) {
	write, read := t.Machine(policy.KindWrite), t.Machine(policy.KindRead)
	seen := map[[2]policy.Verdict]bool{}
	run(pathShape{}, []policy.Machine{write, read}, func(states) bool { return false }, func(at states, subject func() []byte) {
		key := [2]policy.Verdict{write.Verdict(at[0]), read.Verdict(at[1])}
		if !seen[key] {
			seen[key] = true
			visit(key[0], key[1], Action{Kind: policy.KindRead, Subject: subject()})
		}
	})
}

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
	machines := make([]policy.Machine, len(tables))
	for i, t := range tables {
		machines[i] = t.Machine(k)
	}
	seen := map[[maxMachines]policy.Verdict]bool{}
	for _, sh := range shapesOf(k) {
		run(sh, machines, func(at states, subject func() []byte) {
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
	run(pathShape{}, machines, func(at states, subject func() []byte) {
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

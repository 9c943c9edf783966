package product

import (
	"bytes"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Outcome is what several tables say about one action: an example of all
// actions about which they say the same.
type Outcome struct {
	Verdicts []policy.Verdict // in the order of the tables
	Action   Action
	Known    bool // no: the verdicts are so because the executable or the command could not be told
}

// Each calls visit once for each combination of verdicts that the tables give
// together on an action of kind k, with one of the shortest such actions, and
// twice where they do so both with and without knowing all that is beside it.
func Each(k policy.Kind, tables []*policy.Tables, visit func(Outcome)) {
	newSurvey(k, tables, visit).run()
}

// EachMatched is Each for what a rule of the first tables' own policy matches.
func EachMatched(k policy.Kind, tables []*policy.Tables, visit func(Outcome)) {
	own := func(v policy.Verdict) bool { return tables[0].Rules[v.Rule].Origin == policy.OriginUser }
	s := newSurvey(k, tables, func(o Outcome) {
		if own(o.Verdicts[0]) {
			visit(o)
		}
	})
	first := tables[0].Machine(k)
	known := map[policy.State]bool{}
	s.hopeless = func(at states) bool {
		if !first.Absorbing(at[0]) {
			return false
		}
		hope, ok := known[at[0]]
		if !ok {
			hope = slices.ContainsFunc(allClasses(tables[0]), func(c policy.Classes) bool { return own(first.VerdictIn(at[0], c)) })
			known[at[0]] = hope
		}
		return !hope
	}
	s.run()
}

// allClasses lists all that a verdict of the tables may depend on.
func allClasses(t *policy.Tables) (out []policy.Classes) {
	for e := range t.Outcomes(policy.KindExe) + 1 {
		for c := range t.Outcomes(policy.KindCommand) + 1 {
			out = append(out, policy.Classes{Exe: e, Command: c})
		}
		for n := range t.Outcomes(policy.KindName) + 1 {
			out = append(out, policy.Classes{Exe: e, Name: n})
		}
	}
	return out
}

// EachOpen is Each for opening a file for reading and writing at once, which
// file.write decides alone unless a file.read rule with a path denies it.
func EachOpen(tables []*policy.Tables, visit func(Outcome)) {
	s := newSurvey(policy.KindWrite, tables, visit)
	s.reading = true
	s.run()
}

func openVerdict(write, read policy.Verdict) policy.Verdict {
	if write.Allow && !read.Allow && read.Matched {
		return read
	}
	return write
}

// Ask returns what the tables say about an action, as MatchIn does.
func Ask(t *policy.Tables, a Action) policy.Verdict {
	c := ClassesOf(t, a.Facts)
	v := t.MatchIn(a.Kind, a.Subject, c)
	if a.Reading {
		v = openVerdict(v, t.MatchIn(policy.KindRead, a.Subject, c))
	}
	return v
}

// ClassesOf returns what tables make of what is known beside a subject.
func ClassesOf(t *policy.Tables, f policy.Facts) (c policy.Classes) {
	known := func(k policy.Kind, subject []byte) uint16 {
		if subject == nil {
			return 0
		}
		return t.Classify(k, subject)
	}
	return policy.Classes{Exe: known(policy.KindExe, f.Exe), Command: known(policy.KindCommand, f.Command), Name: known(policy.KindName, f.Name)}
}

// EachReadBack calls visit once for each combination of what the tables say
// about writing a file and about reading it, by a program that no rule names.
func EachReadBack(t *policy.Tables, visit func(write, read policy.Verdict, a Action)) {
	write, read := t.Machine(policy.KindWrite), t.Machine(policy.KindRead)
	seen := map[[2]policy.Verdict]bool{}
	run(pathShape{}, []policy.Machine{write, read}, noneHopeless, func(at states, subject func() []byte) {
		key := [2]policy.Verdict{write.Verdict(at[0]), read.Verdict(at[1])}
		if !seen[key] {
			seen[key] = true
			visit(key[0], key[1], Action{Kind: policy.KindRead, Subject: subject()})
		}
	})
}

func noneHopeless(states) bool { return false }

// pathOf cuts the arguments off the subject of a command.
func pathOf(subject []byte) []byte {
	path, _, _ := bytes.Cut(subject, []byte{0})
	return path
}

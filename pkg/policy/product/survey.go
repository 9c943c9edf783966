package product

import (
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// survey visits what tables say together about actions of one kind.
type survey struct {
	kind     policy.Kind
	reading  bool // opened for reading as well
	tables   []*policy.Tables
	hopeless func(states) bool
	visit    func(Outcome)

	machines   []policy.Machine // of the kind, one for each of the tables; for reading, those of KindRead behind
	commands   []policy.Machine // of those tables that tell commands apart
	exes       []circumstance
	names      []circumstance
	seen       map[visited]bool
	seenStates map[states]bool
}

// verdicts has one verdict for each of the tables.
type verdicts [maxMachines / 2]policy.Verdict

type visited struct {
	verdicts verdicts
	known    bool
}

// circumstance is a string beside the subject, with the class that each of the
// tables puts it into. The first of a list is that nothing is known.
type circumstance struct {
	example []byte
	class   [maxMachines / 2]uint16
}

func newSurvey(k policy.Kind, tables []*policy.Tables, visit func(Outcome)) *survey {
	return &survey{
		kind: k, tables: tables, hopeless: noneHopeless, visit: visit,
		seen: map[visited]bool{}, seenStates: map[states]bool{},
	}
}

func (s *survey) run() {
	for _, t := range s.tables {
		s.machines = append(s.machines, t.Machine(s.kind))
		if m := t.Machine(policy.KindCommand); s.kind == policy.KindExec && m.Present() {
			s.commands = append(s.commands, m)
		}
	}
	if s.reading {
		for _, t := range s.tables {
			s.machines = append(s.machines, t.Machine(policy.KindRead))
		}
	}
	s.names = []circumstance{{}}
	s.exes = circumstances(policy.KindExe, s.tables)
	if s.kind == policy.KindAddr {
		s.names = circumstances(policy.KindName, s.tables)
	}
	shapes := shapesOf(s.kind)
	onPath := 0
	if len(s.commands) > 0 {
		shapes, onPath = shapesOf(policy.KindCommand), len(s.machines)
	}
	for _, sh := range shapes {
		w := &walk{shape: sh, machines: append(slices.Clone(s.machines), s.commands...), onPath: onPath, hopeless: s.hopeless}
		w.run(s.end)
	}
}

// circumstances lists the combinations of classes that tables put a string
// into, each with a short example.
func circumstances(k policy.Kind, tables []*policy.Tables) []circumstance {
	out := []circumstance{{}}
	var machines []policy.Machine
	var of []int
	for i, t := range tables {
		if m := t.Machine(k); m.Present() {
			machines = append(machines, m)
			of = append(of, i)
		}
	}
	if len(machines) == 0 {
		return out
	}
	seen := map[[maxMachines / 2]uint16]bool{}
	for _, sh := range shapesOf(k) {
		run(sh, machines, noneHopeless, func(at states, subject func() []byte) {
			var c circumstance
			for i, m := range machines {
				c.class[of[i]] = m.Outcome(at[i])
			}
			if !seen[c.class] {
				seen[c.class] = true
				c.example = subject()
				out = append(out, c)
			}
		})
	}
	return out
}

// end is called where a subject ends. What is beside the subject is named in
// the outcome only where it matters here.
func (s *survey) end(at states, subject func() []byte) {
	if s.seenStates[at] {
		return // with another shape behind the same states
	}
	s.seenStates[at] = true
	var whole []byte
	var command circumstance
	next := len(s.machines)
	for i, t := range s.tables {
		if s.kind == policy.KindExec && t.Machine(policy.KindCommand).Present() {
			command.class[i] = s.commands[next-len(s.machines)].Outcome(at[next])
			next++
		}
	}
	all := s.combinations(at, command)
	for _, c := range all {
		key := visited{c.verdicts, c.known}
		if s.seen[key] {
			continue
		}
		s.seen[key] = true
		if whole == nil {
			whole = subject()
		}
		a := Action{Kind: s.kind, Reading: s.reading, Subject: pathOf(whole), Facts: policy.Facts{Exe: c.exe.example, Name: c.name.example}}
		if s.kind == policy.KindAddr {
			a.Subject = whole
		}
		if c.command {
			a.Facts.Command = whole
		}
		s.visit(Outcome{append([]policy.Verdict(nil), c.verdicts[:len(s.tables)]...), a, c.known})
	}
}

// combination is what the tables say under some circumstances.
type combination struct {
	verdicts  verdicts
	exe, name circumstance
	command   bool // named
	known     bool // the executable and the command, as far as they matter
}

// combinations lists the verdicts at an end under all circumstances, those in
// which nothing is known last. A circumstance that changes nothing is left out.
func (s *survey) combinations(at states, command circumstance) []combination {
	all := s.grid(at, command)
	unlike := func(a, b int) bool { return all[a].verdicts != all[b].verdicts }
	exes, names := len(s.exes), len(s.names)
	var byExe, byName, byCommand bool
	for i := range all {
		byExe = byExe || unlike(i, i-i/names%exes*names)
		byName = byName || unlike(i, i-i%names)
		byCommand = byCommand || unlike(i, i%(exes*names))
	}
	var out []combination
	for i := len(all) - 1; i >= 0; i-- {
		c := all[i]
		exe, name, known := i/names%exes, i%names, i/(exes*names)
		if !byExe && exe > 0 || !byName && name > 0 || !byCommand && known > 0 {
			continue
		}
		c.known = (!byExe || exe > 0) && (!byCommand || known > 0)
		out = append(out, c)
	}
	return out
}

// grid lists the verdicts at an end by command (not known, known), then by
// executable, then by name.
func (s *survey) grid(at states, command circumstance) []combination {
	out := make([]combination, 0, 2*len(s.exes)*len(s.names))
	commands := []circumstance{{}}
	if len(s.commands) > 0 {
		commands = append(commands, command)
	}
	for i, class := range commands {
		for _, exe := range s.exes {
			for _, name := range s.names {
				out = append(out, s.combine(at, exe, name, class, i > 0))
			}
		}
	}
	return out
}

func (s *survey) combine(at states, exe, name, command circumstance, byCommand bool) combination {
	c := combination{exe: exe, name: name, command: byCommand}
	for i := range s.tables {
		in := policy.Classes{Exe: exe.class[i], Name: name.class[i], Command: command.class[i]}
		c.verdicts[i] = s.machines[i].VerdictIn(at[i], in)
		if s.reading {
			j := i + len(s.tables)
			c.verdicts[i] = openVerdict(c.verdicts[i], s.machines[j].VerdictIn(at[j], in))
		}
	}
	return c
}

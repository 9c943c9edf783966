package policy

import (
	"slices"
	"strings"
)

// evalCommand is a command taken apart.
type evalCommand struct {
	program *evalSubject // its path, or none
	args    []string
}

func takeCommand(subject []byte) *evalCommand {
	words := strings.Split(string(subject[1:]), "\x00")
	program := &evalSubject{class: subject[0], text: words[0]}
	return &evalCommand{program, words[1:]}
}

// meetsCommand compares the command with a rule.
func (s *evalSubject) meetsCommand(r *Rule, against bool) bool {
	if r.Command == nil {
		return true
	}
	// Without a path, a rule that lets a command run means the usual programs,
	// not files of the same name that lie anywhere.
	usual := r.Path == nil && r.Decision != DecisionDeny
	if s.command == nil {
		unknown := evalCommand{program: s}
		return against && allHold(r.Command, func(c *Condition) bool {
			return slices.ContainsFunc(c.commands, func(p commandPattern) bool { return unknown.programFits(&p, usual) })
		})
	}
	return allHold(r.Command, func(c *Condition) bool {
		return slices.ContainsFunc(c.commands, func(p commandPattern) bool { return s.command.matches(&p, usual) })
	})
}

// programFits reports whether there are arguments with which the pattern would
// match.
func (c *evalCommand) programFits(p *commandPattern, usual bool) bool {
	if usual && !p.absolute() && !c.isUsual() {
		return false
	}
	return !p.fromStart || p.words[0].deep || c.isProgram(&p.words[0])
}

// matches compares the command with a pattern. at holds the places that the
// words so far may end at: 0 is before the program, 1 before the first
// argument.
func (c *evalCommand) matches(p *commandPattern, usual bool) bool {
	if usual && !p.absolute() && !c.isUsual() {
		return false
	}
	end := 1 + len(c.args)
	at := make([]bool, end+1)
	at[0] = true
	if !p.fromStart {
		at = fill(at)
	}
	for i := range p.words {
		w := &p.words[i]
		if w.deep {
			at = fill(at)
			continue
		}
		next := make([]bool, end+1)
		for from := range end {
			next[from+1] = at[from] && c.isWord(w, from)
		}
		at = next
	}
	if !p.toEnd {
		at = fill(at)
	}
	return at[end]
}

// fill returns the places together with all behind the first of them.
func fill(at []bool) []bool {
	out := slices.Clone(at)
	for i := 1; i < len(out); i++ {
		out[i] = out[i] || out[i-1]
	}
	return out
}

func (c *evalCommand) isWord(w *commandWord, place int) bool {
	if place == 0 {
		return c.isProgram(w)
	}
	return matchesTokens(w.tokens, c.args[place-1])
}

func (c *evalCommand) isProgram(w *commandWord) bool {
	if c.program.class == classNoPath {
		return false
	}
	if len(w.paths) > 0 {
		return slices.ContainsFunc(w.paths, func(p pathPattern) bool {
			return matchesPath(&p, c.program.text, c.program.class == classVolume)
		})
	}
	slash := strings.LastIndexByte(c.program.text, '/')
	return strings.HasPrefix(c.program.text, "/") && matchesName(w.tokens, c.program.text[slash+1:])
}

// isUsual reports whether the program lies directly in a directory of standard
// programs.
func (c *evalCommand) isUsual() bool {
	if c.program.class == classNoPath {
		return false
	}
	slash := strings.LastIndexByte(c.program.text, '/')
	if slash < 0 || slash+1 == len(c.program.text) {
		return false
	}
	switch c.program.text[:slash] {
	case "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin":
		return true
	}
	return false
}

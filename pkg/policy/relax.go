package policy

import (
	"fmt"
	"slices"
)

// DefaultRelaxations are the built-in denials that policies may relax where the
// operator has not said which.
func DefaultRelaxations() []string { return []string{"io_uring", "ptrace"} }

// CheckRelaxations says what is wrong with an operator's list of the built-in
// denials that policies may relax.
func CheckRelaxations(names []string) error {
	for _, name := range names {
		if i := slices.IndexFunc(neverRelaxed, func(never neverRelax) bool { return never.name == name }); i >= 0 {
			return fmt.Errorf("%q can never be relaxed: %s", name, neverRelaxed[i].why)
		}
		if known := BuiltinNames(); !slices.Contains(known, name) {
			return fmt.Errorf("no built-in denial %q can be relaxed; %s", name, suggest(name, known))
		}
	}
	return nil
}

// checkRelaxed refuses relaxations that the operator does not allow, each at its place.
func (p *Policy) checkRelaxed(allowed []string) error {
	if allowed == nil {
		allowed = DefaultRelaxations()
	}
	var list ErrorList
	for _, name := range p.Builtin {
		if slices.Contains(allowed, name) {
			continue
		}
		at := p.builtinAt[name]
		list = append(list, &Error{
			File: p.Name, Line: at.Line, Col: at.Col, Word: name,
			Msg:  fmt.Sprintf("builtin: the operator does not let policies relax %q", name),
			Hint: fmt.Sprintf("leave it out, or have the operator allow it: --allow-relaxation %s", name),
		})
	}
	if list == nil {
		return nil
	}
	list.sort()
	return list
}

package policy

import (
	"errors"
	"fmt"
)

// Limits of the construction. They are far beyond what fits the tables, so that
// they only meet what would be refused in the end, or take long to find out;
// together they bound the time and memory that any policy takes. 10,000 rules
// with names like UUIDs take 700,000 states and half of the work.
const (
	maxStates = 750_000    // before minimisation, of all automata of a policy
	maxWork   = 14_000_000 // nodes looked at, of all automata of a policy
	maxNodes  = 6_000_000  // in the sets of the states of one automaton
	maxCells  = 6_000_000  // of base rows
	maxLooked = 100_000_000
	maxVector = LargeTable / 2 // entries of all vectors
)

var (
	errStates  = fmt.Errorf("more than %d states before minimisation", maxStates)
	errWork    = errors.New("too many patterns that have to be tracked beside each other")
	errVectors = errors.New("too many combinations of exe, command or names with what they are about")
)

// cost is what construction has taken so far.
type cost struct{ states, work int }

func (c *cost) add(more cost) {
	c.states += more.states
	c.work += more.work
}

func (b *subset) cost() cost { return cost{b.keys.len(), b.work} }

// withinLimits returns an error when going on would take too much.
func (b *subset) withinLimits() error {
	total := b.verdicts.spent
	total.add(b.cost())
	switch {
	case total.states > maxStates:
		return errStates
	case total.work > maxWork, len(b.d.base) > maxCells, len(b.keys.arena)+len(b.cores.arena) > maxNodes:
		return errWork
	case b.verdicts.tooMuch():
		return errVectors
	case b.kind.classifies() && len(b.rules.list(b.kind).holds) >= maxRows:
		return errVectors
	}
	return nil
}

// tooMuch reports whether the vectors cannot fit the tables, or take too long.
func (v *verdicts) tooMuch() bool { return v.entries > maxVector || v.looked > maxLooked }

package policy

import "crypto/sha256"

// Options are what a policy is compiled with besides itself.
type Options struct {
	// DefaultBaseline is the baseline of a policy that names none: "image"
	// (also when empty) or "runtime".
	DefaultBaseline string
	// Mode "observe" makes the policy observe whatever it says itself, unless
	// the floor says otherwise.
	Mode string
	// Floor, if any, is evaluated first: its denies decide, what its audit rules
	// match is recorded one by one, and its settings cap the policy's.
	Floor *Policy
}

// Compile turns a policy into tables. The same input gives the same bytes.
func Compile(p *Policy, o Options) (*Tables, error) {
	if err := pending(p, o.Floor); err != nil {
		return nil, err
	}
	rs, err := newRuleSet(p, o)
	if err != nil {
		return nil, err
	}
	t := &Tables{
		SourceHash: sha256.Sum256(p.Source),
		Rules:      rs.info(),
		Baseline:   rs.baseline,
		Observe:    rs.observe,
		Capped:     rs.capped,
	}
	var l layout
	for k := range Kind(numKinds) {
		d, err := rs.automaton(k)
		if err != nil {
			return nil, err
		}
		t.States[k] = d.states()
		t.Classes[k] = d.classCount
		l.automata[k] = d
	}
	return t, l.write(t, rs)
}

// automaton builds the minimal automaton of a kind.
func (s *ruleSet) automaton(k Kind) (*dfa, error) {
	g := s.gather(k)
	b := newSubset(g, k)
	d, err := b.build()
	if err != nil {
		return nil, s.tooLarge(k, err, b)
	}
	return d.minimize(), nil
}

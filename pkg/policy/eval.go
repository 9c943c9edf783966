package policy

// Evaluate answers what Match answers, without tables: rule by rule, condition
// by condition, pattern by pattern. It is the reference that the tables are
// tested against; it is slow, and it shares neither the order of the rules nor
// the matching of patterns with Compile.
func Evaluate(p *Policy, o Options, k Kind, subject []byte) Verdict {
	return EvaluateIn(p, o, k, subject, Facts{})
}

// Facts are the strings that conditions are about, beside the subject itself.
// Each has the form of a subject; nil is one that is not known.
type Facts struct {
	Exe     []byte // the executable that the acting process runs: see PathSubject
	Command []byte // the program to be executed and its arguments: see CommandSubject
	Name    []byte // the name that the address is bound to: see HostSubject
}

// EvaluateIn is Evaluate with facts.
func EvaluateIn(p *Policy, o Options, k Kind, subject []byte, f Facts) Verdict {
	e, err := newEvaluator(p, o)
	if err != nil {
		return Verdict{Rule: ruleInternal}
	}
	return e.evaluate(k, subject, f)
}

// evaluator keeps the rules of each kind in the order in which they are asked,
// for many subjects.
type evaluator struct {
	order     map[Kind][]asked
	counts    ActionSet // actions whose allows are counted
	fallback  Decision
	launchers []pathPattern
}

func newEvaluator(p *Policy, o Options) (*evaluator, error) {
	rs, err := newRuleSet(p, o)
	if err != nil {
		return nil, err
	}
	e := &evaluator{
		order: map[Kind][]asked{}, counts: rs.pol.Audit.CountAllows,
		fallback: rs.pol.DefaultAction, launchers: rs.launchers,
	}
	for k := KindRead; k <= KindAddr; k++ {
		e.order[k] = askedIn(k, rs)
	}
	return e, nil
}

func (e *evaluator) evaluate(k Kind, subject []byte, f Facts) Verdict {
	if k > KindAddr || !wellFormed(k, subject) {
		return Verdict{Rule: ruleInternal}
	}
	s := takeApart(k, subject)
	s.addFacts(f)
	counted := e.counts.Has(countedAs(k))
	v := Verdict{Rule: ruleDefault, Allow: e.fallback == DecisionAllow, Count: e.fallback == DecisionAllow}
	for _, a := range e.order[k] {
		if !s.meets(a) {
			continue
		}
		if a.marks() {
			counted = false // what a floor audits is recorded one by one, whatever decides
			continue
		}
		v = a.verdict()
		break
	}
	v.Count = v.Count && counted
	if k == KindExec && s.class != classNoPath {
		for i := range e.launchers {
			v.Launcher = v.Launcher || matchesPath(&e.launchers[i], s.text, false)
		}
	}
	return v
}

// countedAs is the action whose audit setting a kind follows.
func countedAs(k Kind) Action {
	switch k {
	case KindWrite:
		return ActionWrite
	case KindDelete:
		return ActionDelete
	case KindExec:
		return ActionExec
	case KindHost, KindAddr:
		return ActionNetwork
	}
	return ActionRead // mappings as well
}

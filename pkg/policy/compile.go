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
	// AllowedRelaxations names the built-in denials that the operator lets
	// policies relax; nil means DefaultRelaxations. A policy that relaxes another
	// one is refused.
	AllowedRelaxations []string
}

// Compile turns a policy into tables. The same input gives the same bytes.
func Compile(p *Policy, o Options) (*Tables, error) {
	rs, err := newRuleSet(p, o)
	if err != nil {
		return nil, err
	}
	t := &Tables{
		Source:     p.Source,
		SourceHash: sha256.Sum256(p.Source),
		Rules:      rs.info(),
		Baseline:   rs.baseline,
		Observe:    rs.observe,

		AuditLossDeny: rs.pol.OnAuditLoss == "deny",
		Capped:        rs.capped,
	}
	t.Needs = rs.needs()
	v := &verdicts{rs: rs, ids: map[string]int32{}}
	l := layout{verdicts: v}
	for _, k := range buildOrder {
		if k.classifies() && len(rs.list(k).steps) == 0 {
			continue
		}
		d, err := v.automaton(k)
		if err != nil {
			return nil, err
		}
		t.States[k] = d.states()
		t.Classes[k] = d.classCount
		l.automata[k] = d
	}
	return t, l.write(t, rs)
}

// buildOrder has the classifiers first: what the others say is by class.
var buildOrder = [numKinds]Kind{
	KindExe, KindCommand, KindName,
	KindRead, KindWrite, KindDelete, KindExec, KindMap, KindHost, KindAddr,
}

// automaton builds the minimal automaton of a kind.
func (v *verdicts) automaton(k Kind) (*dfa, error) {
	g := v.rs.gather(k)
	b := newSubset(g, k, v)
	d, err := b.build()
	if err != nil {
		return nil, v.tooLarge(k, err, b)
	}
	return d.minimize(), nil
}

// NeedBuiltin begins the need of a relaxed built-in denial; its name follows.
const NeedBuiltin = "builtin: "

// needs lists the parts of the language that the tables rely on an enforcer to
// know, beside verdicts on the subjects alone.
func (s *ruleSet) needs() []string {
	var out []string
	for _, n := range []struct {
		name string
		used bool
	}{
		{"exe", len(s.exes.steps) > 0},
		{"command", len(s.commands.steps) > 0},
		{"dns", s.pol.DNS.used()},
		{"connections: cut", s.pol.Connections == "cut"},
	} {
		if n.used {
			out = append(out, n.name)
		}
	}
	for _, name := range s.pol.Builtin {
		out = append(out, NeedBuiltin+name)
	}
	return out
}

func (d *DNS) used() bool { return len(d.Types) > 0 || d.TCP || d.MaxLabel > 0 || d.Rate > 0 }

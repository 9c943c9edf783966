package policy

import "slices"

// graph is the automaton of one kind before it is made deterministic.
type graph struct {
	nfa   *nfa
	steps []step // the last one matches every subject
	// conditions is how many conditions must hold for a step.
	conditions []uint8
	// start lists the nodes to begin with behind each class byte.
	start [classNoPath + 1][]int32
}

// gather enters all patterns of a kind into one automaton.
func (s *ruleSet) gather(k Kind) *graph {
	steps := s.steps(k)
	last := slices.IndexFunc(steps, func(st step) bool { return st.always })
	steps = steps[:last+1] // what stands behind can never match
	g := &graph{nfa: newNFA(), steps: steps, conditions: make([]uint8, len(steps))}
	switch {
	case k.isPath():
		g.addPaths(s, k)
	case k.isName():
		g.addHosts()
	case k == KindCommand:
		g.addCommands()
	default:
		g.addAddrs()
	}
	g.addWhole(k)
	g.nfa.rank()
	return g
}

// addWhole lets steps that do not restrict the subject match from the start.
func (g *graph) addWhole(k Kind) {
	for i := range g.steps {
		if !g.steps[i].any || g.steps[i].always {
			continue
		}
		for class := range g.start {
			g.start[class] = append(g.start[class], factOf(int32(i), wholeStep))
		}
	}
}

func (g *graph) addPaths(s *ruleSet, k Kind) {
	// Volume links are for rules of users, and for volumes; so each class has
	// its own tree of them. The baseline says nothing about volumes as such.
	both, rootOnly, mountOnly := g.nfa.node(), g.nfa.node(), g.nfa.node()
	onRoot, onVolume := g.nfa.node(), g.nfa.node()
	g.start[classRoot] = []int32{onRoot, both, rootOnly}
	g.start[classVolume] = []int32{onVolume, both, mountOnly}
	own := func(st *step) bool { return st.matched || k == KindExe }
	for i := range g.steps {
		st := &g.steps[i]
		if st.always {
			continue
		}
		conditions := st.pathConditions()
		if len(conditions) == 0 {
			st.any = true
			continue
		}
		st.any = false
		if neverHolds(&Matcher{Conditions: conditions}, func(c *Condition) int { return len(c.paths) }) {
			continue
		}
		g.conditions[i] = uint8(len(conditions))
		for c, cond := range conditions {
			acc := accept{order: int32(i), condition: uint8(c)}
			if st.rule.except != nil {
				acc.unless = unlessExcept
			}
			for j := range cond.paths {
				p := &cond.paths[j]
				switch {
				case own(st):
					g.nfa.insertPath(onRoot, p, false, acc)
					g.nfa.insertPath(onVolume, p, true, acc)
				case st.rule.rootOnly:
					g.nfa.insertPath(rootOnly, p, false, acc)
				case st.rule.mountOnly:
					g.nfa.insertPath(mountOnly, p, false, acc)
				default:
					g.nfa.insertPath(both, p, false, acc)
				}
			}
		}
	}
	for i, st := range g.steps {
		if st.always {
			continue
		}
		for j := range st.rule.except {
			g.nfa.insertPath(both, &g.steps[i].rule.except[j], false, accept{order: exceptOrder, serves: int32(i)})
		}
	}
	if k == KindExec {
		for i := range s.launchers {
			g.nfa.insertPath(both, &s.launchers[i], false, accept{order: launcherOrder})
		}
	}
}

// neverHolds reports whether one of the conditions of a matcher has no pattern
// at all. Its rule would only cost states.
func neverHolds(m *Matcher, patterns func(*Condition) int) bool {
	for i := range m.Conditions {
		if patterns(&m.Conditions[i]) == 0 {
			return true
		}
	}
	return false
}

func (g *graph) addHosts() {
	root := g.nfa.node()
	g.start[classRoot] = []int32{root}
	for i, st := range g.steps {
		if st.any || st.always || neverHolds(st.rule.Host, func(c *Condition) int { return len(c.hosts) }) {
			continue
		}
		g.conditions[i] = uint8(len(st.rule.Host.Conditions))
		for c, cond := range st.rule.Host.Conditions {
			for j := range cond.hosts {
				g.nfa.insertHost(root, &cond.hosts[j], accept{order: int32(i), condition: uint8(c)})
			}
		}
	}
}

func (g *graph) addAddrs() {
	both, own := g.nfa.node(), g.nfa.node()
	g.start[classRoot] = []int32{both, own}
	g.start[classVolume] = []int32{both}
	builtin := func(root int32, num int32, rule Rule) {
		rule.hasCIDRs = true
		g.nfa.insertAddrRule(root, &rule, false, num)
	}
	for i, st := range g.steps {
		g.conditions[i] = 1
		switch {
		case st.always, st.any:
		case st.num == ruleLoopback:
			builtin(own, int32(i), Rule{CIDRs: loopbackAddresses})
		case st.num == ruleMetadata:
			builtin(both, int32(i), Rule{CIDRs: metadataAddresses})
		case st.byName:
			any := *st.rule
			any.Host = nil
			g.nfa.insertAddrRule(both, &any, st.allow, int32(i))
		default:
			g.nfa.insertAddrRule(both, st.rule, st.allow, int32(i))
		}
	}
	builtin(both, metadataOrder, Rule{CIDRs: metadataAddresses})
	builtin(both, ipv4Order, Rule{CIDRs: parsePrefixes("0.0.0.0/0")})
}

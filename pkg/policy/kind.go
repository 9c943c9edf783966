package policy

import "strconv"

// Kind selects one automaton of the tables: one class of action, with its own
// form of subject.
type Kind uint8

// The kinds, numbered as in docs/format/policy.md.
const (
	KindRead Kind = iota
	KindWrite
	KindDelete
	KindExec
	KindMap
	KindHost
	KindAddr
	KindExe     // classifies the executable of the acting process
	KindCommand // classifies a program and its arguments
	KindName    // classifies the name that an address is bound to

	numKinds = 10

	// KindSystem has no automaton: it stands in decisions for acts without a
	// verb, which built-in rules decide.
	KindSystem Kind = 17
)

var kindNames = [numKinds]string{"read", "write", "delete", "exec", "map", "host", "addr", "exe", "command", "name"}

// String returns the short name of the kind, such as "read".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	if k == KindSystem {
		return "system"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// isPath reports whether subjects of the kind are paths.
func (k Kind) isPath() bool { return k <= KindMap || k == KindExe }

// isName reports whether subjects of the kind are host names.
func (k Kind) isName() bool { return k == KindHost || k == KindName }

// classifies reports whether the kind gives a class of its subject, on which
// verdicts of other kinds depend, instead of a verdict.
func (k Kind) classifies() bool { return k >= KindExe }

// exact reports whether NUL is a symbol of the kind's subjects, or their length
// is fixed, so that padding has no meaning.
func (k Kind) exact() bool { return k == KindCommand || k == KindAddr }

// Action is one verb of the language.
type Action uint8

// The actions of the language. ActionMap is legal in a baseline file only.
const (
	ActionRead Action = iota
	ActionWrite
	ActionDelete
	ActionExec
	ActionNetwork
	ActionMap

	numActions = 6
)

var actionNames = [numActions]string{
	"file.read", "file.write", "file.delete", "process.exec", "network.request", "file.map",
}

// String returns the action as the language spells it.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "action(" + strconv.Itoa(int(a)) + ")"
}

// ActionSet is a set of actions.
type ActionSet uint8

// Has reports whether the set contains a.
func (s ActionSet) Has(a Action) bool { return s&(1<<a) != 0 }

func (s ActionSet) with(a Action) ActionSet { return s | 1<<a }

const (
	fileActions = ActionSet(1<<ActionRead | 1<<ActionWrite | 1<<ActionDelete)
	pathActions = fileActions | ActionSet(1<<ActionExec|1<<ActionMap)
)

// Decision is what a rule says.
type Decision uint8

// The decisions of the language. DecisionAudit allows, and has each action
// recorded on its own.
const (
	DecisionDeny Decision = iota
	DecisionAllow
	DecisionAudit
)

var decisionNames = [...]string{"deny", "allow", "audit"}

// String returns the decision as the language spells it.
func (d Decision) String() string {
	if int(d) < len(decisionNames) {
		return decisionNames[d]
	}
	return "decision(" + strconv.Itoa(int(d)) + ")"
}

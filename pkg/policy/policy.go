package policy

import "net/netip"

// Limits of the language.
const (
	MaxSourceBytes = 256 << 10
	MaxRules       = 10_000
	MaxFloorRules  = 256

	maxDepth = 32 // nesting of a policy document; a valid one needs 6
)

// Policy is one parsed policy document.
type Policy struct {
	Name          string // file name given to Parse
	Source        []byte // the exact YAML bytes, without the manifest around them
	DefaultAction Decision
	Mode          string // "enforce" or "observe"
	Baseline      string // "image", "runtime", "none"; "" when not given
	Entrypoint    string // "chain", "single" or "deny"
	OnAuditLoss   string // "continue" or "deny"
	OnAgentLoss   string // "keep" or "deny"
	Connections   string // "keep" or "cut"
	Audit         Audit
	Builtin       []string // built-in denials that are relaxed, sorted
	DNS           DNS
	Rules         []Rule

	given     given
	builtinAt map[string]Place // where Builtin is written

	// Baseline files only: programs that start others; the baseline whose rules
	// follow; and which of those hold on the root file system only.
	launchers  []pathPattern
	extends    string
	onRootOnly []string
}

// Audit says, for each action, whether allowed actions are counted instead of
// being recorded one by one.
type Audit struct {
	CountAllows ActionSet

	each ActionSet // actions whose allows the policy wants one by one, in so many words
}

// given says which fields a policy gives that have a default. What a floor
// does not give caps nothing.
type given struct{ mode, builtin bool }

// DNS is what a policy says about name resolution besides its rules.
type DNS struct {
	Types    []uint16 // query types that pass beside the usual ones, sorted
	TCP      bool     // DNS over TCP is allowed
	MaxLabel uint8    // longest label of a name that is asked for, bytes; 0: no cap
	Rate     uint32   // queries a minute; 0: no cap
}

// Rule is one entry of a policy's rules.
type Rule struct {
	ID        string // as written, may be empty
	Index     int    // position in the list, from 0
	Actions   ActionSet
	Path      *Matcher
	Host      *Matcher
	Ports     []PortRange
	Protocols []uint8 // IP protocol numbers
	CIDRs     []netip.Prefix
	Command   *Matcher // process.exec: the program and its arguments
	Exe       *Matcher // the executable that the acting process runs, a path
	Decision  Decision
	Reason    string
	Line, Col int // of the rule in the file given to Parse

	hasPorts, hasProtocols, hasCIDRs bool          // given, if only as an empty list
	rootOnly, mountOnly              bool          // baseline files: "mounted: false" and "mounted: true"
	except                           []pathPattern // baseline files, in one rule for each action
	exceptText                       []string      // as written
}

// PortRange is an inclusive range of ports.
type PortRange struct{ Low, High uint16 }

// HasMatcher reports whether the rule restricts the subject at all. One that
// does not is the default of its actions.
func (r *Rule) HasMatcher() bool {
	return r.Path != nil || r.Host != nil || r.Command != nil || r.Exe != nil || r.hasPorts || r.hasProtocols || r.hasCIDRs
}

// onPort reports whether the rule restricts port or protocol.
func (r *Rule) onPort() bool { return r.hasPorts || r.hasProtocols }

// Operator is a comparison in a matcher.
type Operator uint8

// The operators of the language.
const (
	OpGlob Operator = iota
	OpEquals
	OpIn
	OpStartsWith
	OpEndsWith
	OpContains
)

var operatorNames = [...]string{"glob", "equals", "in", "startsWith", "endsWith", "contains"}

// String returns the operator as the language spells it.
func (o Operator) String() string { return operatorNames[o] }

// Matcher is a set of conditions on one field, all of which must hold.
type Matcher struct {
	Conditions []Condition
}

// Condition holds when the operator holds for any of the values.
type Condition struct {
	Operator Operator
	Values   []string // as written
	Places   []Place  // of the values, in the file given to Parse

	paths []pathPattern // for the field path, aliases included
	hosts []hostPattern // for the field host
	addrs []netip.Addr  // for the field host: values that are addresses

	commands []commandPattern // for the field command
}

// Place is a position in a file, from line 1 and column 1.
type Place struct{ Line, Col int }

package policy

// Size classes of the kernel's map values.
const (
	SmallTable = 1 << 18
	LargeTable = 1 << 22
)

// TableVersion is the version of the format that Compile writes.
const TableVersion = tableVersion

// Layout of the blob: see docs/format/policy.md.
const (
	tableMagic   = 0x54504353
	tableVersion = 3

	offSize       = 8
	offRules      = 12
	offID         = 16
	offRows       = 24
	offEntrypoint = 32
	offMaxLabel   = 33
	offTypes      = 34
	offRate       = 36
	offBuiltin    = 40
	offTypeList   = 64
	maxTypes      = 16
	offAutomata   = 128
	automatonSize = 32
	automataCount = 16
	offClasses    = offAutomata + automataCount*automatonSize
	firstFree     = offClasses + automataCount*256
	unitSize      = 64
	unitColumns   = unitSize / 2
	rowSize       = 16
	blockSize     = 16

	maxUnits   = 65_535
	maxColumns = 255
	maxRows    = 65_535

	headerObserve   = 1 << 0
	headerAuditLoss = 1 << 1
	headerAgentLoss = 1 << 2
	headerCut       = 1 << 3
	headerDNSTCP    = 1 << 4

	noAbsorbing = 0xffffffff

	flagCount    = 1 << 0
	flagMatched  = 1 << 1
	flagLauncher = 1 << 2
	flagFloor    = 1 << 3
)

// Tables is a compiled policy.
type Tables struct {
	Blob       []byte   // the tables, exact and without padding
	Hash       [32]byte // SHA-256 of Blob with the field id zero
	ID         uint64   // first 8 bytes of Hash, little-endian
	Source     []byte   // the policy's YAML
	SourceHash [32]byte // SHA-256 of it
	Rules      []RuleInfo
	Baseline   string
	Observe    bool
	// AuditLossDeny says that an action whose record cannot be queued is denied.
	AuditLossDeny bool
	Capped        []string // settings of the policy that the floor changed, in words
	// Needs lists what an enforcer must know beside verdicts on subjects: "exe",
	// "command", "builtin: NAME", "dns", "connections: cut". One that does not must
	// refuse the tables.
	Needs []string

	// Of each kind, for those who want to know what a policy costs.
	States, Units, Classes [numKinds]int
}

// SizeClass returns the size of the map value that holds the blob.
func (t *Tables) SizeClass() (bytes int) {
	if len(t.Blob) <= SmallTable {
		return SmallTable
	}
	return LargeTable
}

// verdictRow is what a state says about the subject read so far.
type verdictRow struct {
	rule   uint16
	allow  bool
	flags  uint8
	cond   condition
	class  uint16 // classifiers: the class of the subject
	vector int32  // with a condition: index in the list of vectors
}

// condition is a string beside the subject that a verdict depends on.
type condition uint8

const (
	condNone condition = iota
	condExe
	condCommand
	condName
)

func (s *step) row() verdictRow {
	r := verdictRow{rule: s.num, allow: s.allow}
	if s.count && s.allow {
		r.flags |= flagCount
	}
	if s.matched {
		r.flags |= flagMatched
	}
	if s.floor {
		r.flags |= flagFloor
	}
	return r
}

// Verdict is the answer to one action.
type Verdict struct {
	Rule     uint16 // index into Tables.Rules
	Allow    bool
	Count    bool // an allow that is counted, not recorded on its own
	Matched  bool // by a rule of the user or the floor that has a matcher
	Launcher bool // exec: the path is a known launcher
	Floor    bool // a floor rule, enforced under observe as well
}

func (r verdictRow) verdict() Verdict {
	return Verdict{
		Rule: r.rule, Allow: r.allow,
		Count:    r.flags&flagCount != 0,
		Matched:  r.flags&flagMatched != 0,
		Launcher: r.flags&flagLauncher != 0,
		Floor:    r.flags&flagFloor != 0,
	}
}

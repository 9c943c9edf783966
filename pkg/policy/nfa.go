package policy

// nfa is a non-deterministic automaton over bytes. It is a tree of patterns
// that share their beginnings, with loops for * and **.
type nfa struct {
	nodes []nfaNode
	edges map[nfaEdge]int32
	sets  []byteSet
	setID map[byteSet]int32
}

type nfaNode struct {
	bytes  []byteEdge
	sets   []setEdge
	eps    []int32
	accept []accept // patterns that end here
	final  []accept // patterns that end here whatever follows
	owner  int32    // volume loops: the node they return to; else -1
	least  int32    // smallest order that can be reached from here
}

type byteEdge struct {
	b  byte
	to int32
}

type setEdge struct{ set, to int32 }

// nfaEdge names the child of a node by a symbol, so that patterns share it.
type nfaEdge struct {
	from int32
	kind symbolKind
	arg  int32
}

// accept is what a pattern contributes: it satisfies one condition of a step.
type accept struct {
	order     int32 // index into the steps; launcherOrder and metadataOrder are marks
	condition uint8
	unless    mark
	serves    int32 // exceptOrder: the step that the mark is for
}

// Orders below zero mark a subject without deciding about it.
const (
	launcherOrder = -1
	metadataOrder = -2
	ipv4Order     = -3
	exceptOrder   = -4
)

// mark is a set of facts about a subject, some of which keep a pattern from
// matching.
type mark uint8

const (
	unlessMetadata mark = 1 << iota
	unlessIPv4
	isLauncher
	unlessExcept // may still come, so nothing is decided before the end
)

// symbol is one element of a pattern in the form that the automaton takes.
type symbol struct {
	kind symbolKind
	arg  int32 // the byte or the number of the set
}

type symbolKind uint8

const (
	symByte   symbolKind = iota
	symSet               // one byte of the set
	symLoop              // any run of bytes of the set
	symDeep              // any number of components, each with its slash before it
	symVolume            // after a slash: any number of volume link components
)

func newNFA() *nfa {
	return &nfa{edges: map[nfaEdge]int32{}, setID: map[byteSet]int32{}}
}

func (a *nfa) node() int32 {
	a.nodes = append(a.nodes, nfaNode{owner: -1})
	return int32(len(a.nodes) - 1)
}

func (a *nfa) set(s byteSet) int32 {
	if id, ok := a.setID[s]; ok {
		return id
	}
	id := int32(len(a.sets))
	a.sets = append(a.sets, s)
	a.setID[s] = id
	return id
}

// follow returns the node behind symbol s, making it when it is new.
func (a *nfa) follow(from int32, s symbol) int32 {
	key := nfaEdge{from, s.kind, s.arg}
	if to, ok := a.edges[key]; ok {
		return to
	}
	to := a.node()
	a.edges[key] = to
	switch s.kind {
	case symByte:
		a.addByte(from, byte(s.arg), to)
	case symSet:
		a.addSet(from, s.arg, to)
	case symLoop:
		a.nodes[from].eps = append(a.nodes[from].eps, to)
		a.addSet(to, s.arg, to)
	case symDeep:
		// to is inside the components that ** stands for; the node behind it
		// expects the next component's slash. Edges lead to later nodes.
		behind := a.node()
		a.edges[key] = behind
		a.addByte(from, '/', to)
		a.addSet(to, s.arg, to)
		a.nodes[from].eps = append(a.nodes[from].eps, behind)
		a.nodes[to].eps = append(a.nodes[to].eps, behind)
	case symVolume:
		a.nodes[from].eps = append(a.nodes[from].eps, to)
		a.volumeLoop(to)
	}
	return a.edges[key]
}

// volumeLoop lets components that kubelet keeps its versions in pass at start,
// where a component begins: "..data/" and "..20*/" lead back to it.
func (a *nfa) volumeLoop(start int32) {
	inside := func() int32 {
		n := a.node()
		a.nodes[n].owner = start
		return n
	}
	walk := func(from int32, text string) int32 {
		for i := range len(text) {
			to := inside()
			a.addByte(from, text[i], to)
			from = to
		}
		return from
	}
	dots := walk(start, "..")
	a.addByte(walk(dots, volumeLink[2:]), '/', start)
	dir := walk(dots, volumeDir[2:])
	a.addSet(dir, a.set(notSlash), dir)
	a.addByte(dir, '/', start)
}

func (a *nfa) addByte(from int32, b byte, to int32) {
	a.nodes[from].bytes = append(a.nodes[from].bytes, byteEdge{b, to})
}

func (a *nfa) addSet(from, set, to int32) {
	a.nodes[from].sets = append(a.nodes[from].sets, setEdge{set, to})
}

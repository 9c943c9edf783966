package policy

// nfa is a non-deterministic automaton over bytes. It is a tree of patterns
// that share their beginnings, with loops for * and **.
type nfa struct {
	nodes []nfaNode
	// byteEdges of all nodes, each node's linked; the first stands for none.
	byteEdges []byteEdge
	none      *nodeExtra
	// edges are those of symbols that are not single bytes.
	edges map[nfaEdge]int32
	sets  []byteSet
	setID map[byteSet]int32
	tails map[string]*tail // of rules for any address
}

// nfaNode is kept small: there is one for nearly every byte of a long literal.
type nfaNode struct {
	bytes int32 // first of its byte edges, an index into byteEdges; 0: none
	least int32 // smallest order that can be reached from here
	*nodeExtra
}

// nodeExtra is what few nodes have. Nodes without share an empty one: own gives
// a node one that can be written to.
type nodeExtra struct {
	sets   []setEdge
	eps    []int32
	accept []accept // patterns that end here
	final  []accept // patterns that end here whatever follows
	owner  int32    // volume loops: the node they return to; else -1
}

type byteEdge struct {
	b    byte
	loop bool  // into a loop: no pattern continues along it
	next int32 // of the same node; 0: none
	to   int32
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
	symWords             // after a word of a command: any number of words, each with its NUL before it
)

func newNFA() *nfa {
	return &nfa{
		byteEdges: make([]byteEdge, 1), none: &nodeExtra{owner: -1},
		edges: map[nfaEdge]int32{}, setID: map[byteSet]int32{}, tails: map[string]*tail{},
	}
}

func (a *nfa) node() int32 {
	a.nodes = push(a.nodes, nfaNode{nodeExtra: a.none})
	return int32(len(a.nodes) - 1)
}

// own returns what node n has besides byte edges, to be written to.
func (a *nfa) own(n int32) *nodeExtra {
	node := &a.nodes[n]
	if node.nodeExtra == a.none {
		node.nodeExtra = &nodeExtra{owner: -1}
	}
	return node.nodeExtra
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
	if s.kind == symByte {
		return a.followByte(from, byte(s.arg))
	}
	key := nfaEdge{from, s.kind, s.arg}
	if to, ok := a.edges[key]; ok {
		return to
	}
	to := a.node()
	a.edges[key] = to
	switch s.kind {
	case symSet:
		a.addSet(from, s.arg, to)
	case symLoop:
		a.addEmpty(from, to)
		a.addSet(to, s.arg, to)
	case symDeep:
		// to is inside the components that ** stands for; the node behind it
		// expects the next component's slash. Edges lead to later nodes.
		behind := a.node()
		a.edges[key] = behind
		a.addLoop(from, '/', to)
		a.addSet(to, s.arg, to)
		a.addEmpty(from, behind)
		a.addEmpty(to, behind)
	case symWords:
		behind := a.node()
		a.edges[key] = behind
		a.addLoop(from, 0, to)
		a.addSet(to, a.set(everyByte), to)
		a.addEmpty(from, behind)
		a.addEmpty(to, behind)
	case symVolume:
		a.addEmpty(from, to)
		a.volumeLoop(to)
	}
	return a.edges[key]
}

// volumeLoop lets components that kubelet keeps its versions in pass at start,
// where a component begins: "..data/" and "..20*/" lead back to it.
func (a *nfa) volumeLoop(start int32) {
	inside := func() int32 {
		n := a.node()
		a.own(n).owner = start
		return n
	}
	walk := func(from int32, text string) int32 {
		for i := range len(text) {
			to := inside()
			a.addLoop(from, text[i], to)
			from = to
		}
		return from
	}
	dots := walk(start, "..")
	a.addLoop(walk(dots, volumeLink[2:]), '/', start)
	dir := walk(dots, volumeDir[2:])
	a.addSet(dir, a.set(notSlash), dir)
	a.addLoop(dir, '/', start)
}

// followByte returns the node that a pattern's byte leads to. Edges that are not
// of patterns, into loops, lead elsewhere.
func (a *nfa) followByte(from int32, b byte) int32 {
	for e := a.nodes[from].bytes; e != 0; e = a.byteEdges[e].next {
		if edge := &a.byteEdges[e]; edge.b == b && !edge.loop {
			return edge.to
		}
	}
	to := a.node()
	a.addByte(from, b, to)
	return to
}

func (a *nfa) addByte(from int32, b byte, to int32) {
	a.byteEdges = push(a.byteEdges, byteEdge{b: b, next: a.nodes[from].bytes, to: to})
	a.nodes[from].bytes = int32(len(a.byteEdges) - 1)
}

// addLoop adds a byte edge that patterns do not share.
func (a *nfa) addLoop(from int32, b byte, to int32) {
	a.addByte(from, b, to)
	a.byteEdges[len(a.byteEdges)-1].loop = true
}

func (a *nfa) addSet(from, set, to int32) {
	n := a.own(from)
	n.sets = append(n.sets, setEdge{set, to})
}

func (a *nfa) addEmpty(from, to int32) {
	n := a.own(from)
	n.eps = append(n.eps, to)
}

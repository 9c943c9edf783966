package product

import (
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// maxMachines is how many automata one walk takes.
const maxMachines = 4

type states [maxMachines]policy.State

// walk visits every combination of states that the machines reach together at
// the end of a subject, each once and the shortest subjects first.
type walk struct {
	shape    shape
	machines []policy.Machine
	onPath   int                  // how many of the machines read the path alone, not the arguments behind it
	groups   [][]byte             // bytes that nothing tells apart, the nicest of each first
	hopeless func(at states) bool // whether nothing that follows is of interest
	nodes    []walkNode
	seen     map[walkKey]struct{}
}

type walkKey struct {
	states states
	shape  uint8
}

type walkNode struct {
	walkKey
	parent int32
	b      byte
}

// visitor is called with the states of the machines and the way there.
type visitor func(at states, subject func() []byte)

func run(sh shape, machines []policy.Machine, hopeless func(states) bool, visit visitor) {
	w := &walk{shape: sh, machines: machines, hopeless: hopeless}
	w.run(visit)
}

func (w *walk) run(visit visitor) {
	sh, machines := w.shape, w.machines
	w.seen = map[walkKey]struct{}{}
	w.group()
	var start walkKey
	for i, m := range machines {
		start.states[i] = m.Start()
	}
	w.add(start, -1, 0)
	for i := 0; i < len(w.nodes); i++ {
		n := w.nodes[i]
		if sh.done(n.shape) {
			visit(n.states, func() []byte { return w.subject(i) })
		}
		if !w.hopeless(n.states) {
			w.expand(int32(i))
		}
	}
}

func (w *walk) add(k walkKey, parent int32, b byte) {
	if _, ok := w.seen[k]; ok {
		return
	}
	w.seen[k] = struct{}{}
	w.nodes = append(w.nodes, walkNode{k, parent, b})
}

func (w *walk) expand(i int32) {
	n := w.nodes[i]
	nicest, hasNicest := w.shape.nicest(n.shape)
	if hasNicest { // first, so that it is the way to a state that others lead to as well
		w.step(i, nicest)
	}
	for _, group := range w.groups {
		if !hasNicest || !slices.Contains(group, nicest) {
			w.step(i, group[0])
		}
	}
}

// step adds the node behind a byte, if a subject may go on so.
func (w *walk) step(i int32, b byte) {
	n := w.nodes[i]
	if to, ok := w.shape.next(n.shape, b); ok {
		k := walkKey{shape: to}
		for m, machine := range w.machines {
			if k.states[m] = n.states[m]; m >= w.onPath || to != pathArgs {
				k.states[m] = machine.Next(n.states[m], b)
			}
		}
		w.add(k, i, b)
	}
}

func (w *walk) subject(i int) []byte {
	var out []byte
	for at := int32(i); w.nodes[at].parent >= 0; at = w.nodes[at].parent {
		out = append(out, w.nodes[at].b)
	}
	slices.Reverse(out)
	return out
}

// group partitions the bytes by the columns of all machines and the shape.
func (w *walk) group() {
	ids := map[string]int{}
	for _, b := range nicestFirst {
		key := []byte{w.shape.kindOf(b)}
		for _, m := range w.machines {
			key = append(key, m.Class(b))
		}
		id, ok := ids[string(key)]
		if !ok {
			id = len(w.groups)
			ids[string(key)] = id
			w.groups = append(w.groups, nil)
		}
		w.groups[id] = append(w.groups[id], b)
	}
}

// nicestFirst lists all bytes, those first that read best in an example.
var nicestFirst = func() []byte {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789-_/.ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	out := []byte(first)
	add := func(low, high int) {
		for b := low; b <= high; b++ {
			if strings.IndexByte(first, byte(b)) < 0 {
				out = append(out, byte(b))
			}
		}
	}
	add('!', '~')
	add(0x80, 0xff)
	add(0, ' ')
	add(0x7f, 0x7f)
	return out
}()

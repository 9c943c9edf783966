package agent

// namesMax bounds each name table of the recorder. A gated process can make
// new names without end; those that nobody has asked for while half as many
// were new are forgotten, and a record carries the name's keyed hash alone.
const namesMax = 1 << 16

// names are paths by their keyed hash.
type names struct {
	recent, older map[uint64][]byte
	changed       bool // since the last copy
}

func newNames() *names { return &names{recent: map[uint64][]byte{}} }

// put keeps a name, at most namesMax of them.
func (n *names) put(id uint64, name []byte) {
	if _, ok := n.recent[id]; !ok && len(n.recent) >= namesMax/2 {
		n.older, n.recent = n.recent, map[uint64][]byte{}
	}
	if _, ok := n.recent[id]; !ok {
		n.changed = true
	}
	n.recent[id] = name
}

// copy returns at most so many of the names.
func (n *names) copy(most int) map[uint64][]byte {
	n.changed = false
	out := map[uint64][]byte{}
	for _, m := range []map[uint64][]byte{n.recent, n.older} {
		for id, name := range m {
			if len(out) == most {
				return out
			}
			out[id] = name
		}
	}
	return out
}

// get returns a name, and nil for one that is not known.
func (n *names) get(id uint64) []byte {
	if name, ok := n.recent[id]; ok {
		return name
	}
	name, ok := n.older[id]
	if ok {
		delete(n.older, id)
		n.put(id, name)
	}
	return name
}

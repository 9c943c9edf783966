package policy

// alphabet partitions bytes into classes that no edge of an automaton tells
// apart.
type alphabet struct {
	class [256]uint16
	count int
	// blocks group classes that no set tells apart, though single bytes do.
	block  []int  // of a class
	sample []byte // of a block: one of its bytes
}

func (a *nfa) alphabet() *alphabet {
	single := rangeSet(classRoot, classNoPath)
	for _, e := range a.byteEdges[1:] {
		single.add(e.b)
	}
	blockOf := [256]int{}
	blocks := splitBy(&blockOf, 1, setOf("\x00"))
	for _, s := range a.sets {
		blocks = splitBy(&blockOf, blocks, s)
	}
	out := &alphabet{sample: make([]byte, blocks)}
	shared := make(map[int]uint16)
	for b := range 256 {
		block := blockOf[b]
		out.sample[block] = byte(b)
		if id, ok := shared[block]; ok && !single.has(byte(b)) {
			out.class[b] = id
			continue
		}
		id := uint16(out.count)
		out.count++
		out.block = append(out.block, block)
		out.class[b] = id
		if !single.has(byte(b)) {
			shared[block] = id
		}
	}
	return out
}

// splitBy divides each block into its bytes within and outside s, and returns
// the new number of blocks.
func splitBy(blockOf *[256]int, blocks int, s byteSet) int {
	type half struct {
		block int
		in    bool
	}
	ids := map[half]int{}
	for b := range 256 {
		h := half{blockOf[b], s.has(byte(b))}
		id, ok := ids[h]
		if !ok {
			id = len(ids)
			ids[h] = id
		}
		blockOf[b] = id
	}
	return len(ids)
}

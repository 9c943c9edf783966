package policy

import "slices"

// setIndex numbers sets of nodes. They lie behind each other in one array:
// there may be a million of them.
type setIndex struct {
	arena []int32
	end   []int32 // of a set in arena, by number
	hash  []uint32
	table []int32 // open addressing: number + 1
}

func newSetIndex() *setIndex { return &setIndex{table: make([]int32, 1<<10)} }

func (x *setIndex) len() int { return len(x.end) }

// at returns the nodes of a set, good until the next intern.
func (x *setIndex) at(id int32) []int32 {
	first := int32(0)
	if id > 0 {
		first = x.end[id-1]
	}
	return x.arena[first:x.end[id]]
}

// add numbers a set that is not looked for.
func (x *setIndex) add(set []int32, h uint32) int32 {
	x.arena = push(x.arena, set...)
	x.end = push(x.end, int32(len(x.arena)))
	x.hash = push(x.hash, h)
	return int32(len(x.end) - 1)
}

// intern returns the number of a sorted set, and whether it is new.
func (x *setIndex) intern(set []int32) (id int32, fresh bool) {
	h := uint32(2166136261)
	for _, n := range set {
		h = (h ^ uint32(n)) * 0x9e3779b1
		h ^= h >> 15
	}
	mask := uint32(len(x.table) - 1)
	slot := h & mask
	for ; x.table[slot] != 0; slot = (slot + 1) & mask {
		id := x.table[slot] - 1
		if x.hash[id] == h && slices.Equal(x.at(id), set) {
			return id, false
		}
	}
	id = x.add(set, h)
	x.table[slot] = id + 1
	if 2*len(x.end) > len(x.table) {
		x.grow()
	}
	return id, true
}

func (x *setIndex) grow() {
	old := x.table
	x.table = make([]int32, 4*len(old))
	mask := uint32(len(x.table) - 1)
	for _, v := range old {
		if v == 0 {
			continue
		}
		slot := x.hash[v-1] & mask
		for x.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		x.table[slot] = v
	}
}

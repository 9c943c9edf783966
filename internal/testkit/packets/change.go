package packets

import (
	"encoding/binary"
	"slices"
)

// changes are what is done to messages: what attackers write, what servers get
// wrong, and noise.
var changes = []struct {
	name string
	do   func(*Maker, []byte) []byte
}{
	{"cut", func(m *Maker, b []byte) []byte { return b[:m.rng.IntN(len(b)+1)] }},
	{"trailing bytes", func(m *Maker, b []byte) []byte { return append(b, make([]byte, 1+m.rng.IntN(40))...) }},
	{"a second message behind", func(_ *Maker, b []byte) []byte { return append(b, b...) }},
	{"a byte", func(m *Maker, b []byte) []byte { return m.at(b, func(i int) { b[i] = byte(m.rng.IntN(256)) }) }},
	{"a bit", func(m *Maker, b []byte) []byte { return m.at(b, func(i int) { b[i] ^= 1 << m.rng.IntN(8) }) }},
	{"a bit of the header", func(m *Maker, b []byte) []byte {
		if len(b) >= headerSize {
			b[2+m.rng.IntN(headerSize-2)] ^= 1 << m.rng.IntN(8)
		}
		return b
	}},
	{"a count", func(m *Maker, b []byte) []byte {
		if len(b) >= headerSize {
			binary.BigEndian.PutUint16(b[4+2*m.rng.IntN(4):], m.of(0, 1, 2, 3, 33, 255, 0xffff))
		}
		return b
	}},
	{"flags", func(m *Maker, b []byte) []byte {
		if len(b) >= headerSize {
			binary.BigEndian.PutUint16(b[2:], m.of(0x0100, 0x8180, 0x8380, 0x8183, 0x8182, 0x2800, 0x2000, 0x7900, uint16(m.rng.IntN(1<<16))))
		}
		return b
	}},
	{"a pointer", func(m *Maker, b []byte) []byte {
		return m.at(b, func(i int) {
			if i+1 < len(b) {
				to := m.rng.IntN(len(b) + 2)
				if m.rng.IntN(3) == 0 {
					to = max(0, i-m.rng.IntN(16)) // near itself, and itself
				}
				b[i], b[i+1] = 0xc0|byte(to>>8), byte(to)
			}
		})
	}},
	{"a pointer for the question", func(m *Maker, b []byte) []byte {
		if len(b) > headerSize+2 {
			b[headerSize], b[headerSize+1] = 0xc0, byte(m.rng.IntN(len(b)))
		}
		return b
	}},
	{"a label's length", func(m *Maker, b []byte) []byte {
		return m.at(b, func(i int) { b[i] = byte(m.of(0, 1, 2, 3, 62, 63, 64, 0x40, 0x80, 0xbf, 0xff)) })
	}},
	{"a class", func(m *Maker, b []byte) []byte {
		return m.field(b, func(at int) { binary.BigEndian.PutUint16(b[at+2:], m.of(0, 3, 4, 254, 255, 0x8001)) })
	}},
	{"a type", func(m *Maker, b []byte) []byte {
		return m.field(b, func(at int) {
			binary.BigEndian.PutUint16(b[at:], m.of(1, 2, 5, 6, 12, 16, 28, 39, 41, 64, 65, 251, 252, 255))
		})
	}},
	{"a record's size", func(m *Maker, b []byte) []byte {
		return m.field(b, func(at int) {
			if at+10 <= len(b) {
				binary.BigEndian.PutUint16(b[at+8:], m.of(0, 1, 2, 3, 4, 5, 15, 16, 17, 255, 0xffff, uint16(m.rng.IntN(64))))
			}
		})
	}},
	{"a part twice", func(m *Maker, b []byte) []byte {
		if len(b) <= headerSize || len(b) > 2048 {
			return b
		}
		from := headerSize + m.rng.IntN(len(b)-headerSize)
		to := from + m.rng.IntN(len(b)-from+1)
		return slices.Insert(b, to, slices.Clone(b[from:to])...)
	}},
	{"a part left out", func(m *Maker, b []byte) []byte {
		if len(b) <= headerSize {
			return b
		}
		from := headerSize + m.rng.IntN(len(b)-headerSize)
		return slices.Delete(b, from, from+m.rng.IntN(min(16, len(b)-from)+1))
	}},
	{"a zero within a name", func(m *Maker, b []byte) []byte {
		if len(b) > headerSize+2 {
			b[headerSize+1+m.rng.IntN(min(12, len(b)-headerSize-1))] = 0
		}
		return b
	}},
	{"a dot within a label", func(m *Maker, b []byte) []byte {
		if len(b) > headerSize+2 {
			b[headerSize+1+m.rng.IntN(min(12, len(b)-headerSize-1))] = '.'
		}
		return b
	}},
	{"records in another order", func(m *Maker, b []byte) []byte {
		at := fields(b)
		if len(at) < 4 {
			return b
		}
		// From the end of one record's fields to the next: owner, fields and data move together.
		i := 1 + m.rng.IntN(len(at)-2)
		x, y, z := m.end(b, at[i-1]), m.end(b, at[i]), m.end(b, at[i+1])
		if x < 0 || y < x || z < y || z > len(b) {
			return b
		}
		return slices.Concat(b[:x], b[y:z], b[x:y], b[z:])
	}},
	{"an owner that is another's", func(m *Maker, b []byte) []byte {
		at := fields(b)
		if len(at) < 2 {
			return b
		}
		i := at[1+m.rng.IntN(len(at)-1)]
		if i >= 2 && b[i-2] >= 0xc0 {
			b[i-1] = byte(m.rng.IntN(len(b)))
		}
		return b
	}},
}

func (m *Maker) at(b []byte, do func(int)) []byte {
	if len(b) > 0 {
		do(m.rng.IntN(len(b)))
	}
	return b
}

// field does something to the type, class, TTL and size of the question or of a record.
func (m *Maker) field(b []byte, do func(at int)) []byte {
	if at := fields(b); len(at) > 0 {
		do(at[m.rng.IntN(len(at))])
	}
	return b
}

// end is where the record ends whose fields are there, -1 where there is none.
func (m *Maker) end(b []byte, at int) int {
	if at == fields(b)[0] {
		return at + 4
	}
	if at+10 > len(b) {
		return -1
	}
	return at + 10 + int(binary.BigEndian.Uint16(b[at+8:]))
}

// fields finds where the types stand: the question's, then each record's.
func fields(b []byte) []int {
	var out []int
	at := headerSize
	skip := func() bool {
		for at < len(b) && b[at] != 0 && b[at] < 0xc0 {
			at += 1 + int(b[at])
		}
		if at < len(b) && b[at] >= 0xc0 {
			at++
		}
		at++
		return at+4 <= len(b)
	}
	if !skip() {
		return nil
	}
	out = append(out, at)
	at += 4
	for skip() && at+10 <= len(b) {
		out = append(out, at)
		at += 10 + int(binary.BigEndian.Uint16(b[at+8:]))
	}
	return out
}

package policy

import (
	"encoding/binary"
	"testing"
)

// The guarantees of docs/format/policy.md about both encodings.
func TestBlobInvariants(t *testing.T) {
	sources := map[string]string{
		"reference": string(referenceSource(t)),
		"empty":     "version: 1\nbaseline: none\n",
		"allow":     "version: 1\nbaseline: none\ndefaultAction: allow\n",
		"rules=100": string(manyRules(100)),
		"sparse":    string(manyRules(1000)),
	}
	for name, src := range sources {
		t.Run(name, func(t *testing.T) { checkBlob(t, mustCompile(t, src, Options{})) })
	}
}

func checkBlob(t *testing.T, tables *Tables) {
	le := binary.LittleEndian
	b := tables.Blob
	rowsOff, rows := le.Uint32(b[24:]), le.Uint32(b[28:])
	if le.Uint32(b) != 0x54504353 || le.Uint16(b[4:]) != 3 || int(le.Uint32(b[8:])) != len(b) || int(le.Uint32(b[12:])) != len(tables.Rules) {
		t.Fatalf("header %x", b[:128])
	}
	if rowsOff < 4736 || int(rowsOff+16*rows) > len(b) {
		t.Errorf("%d rows at %d in %d bytes", rows, rowsOff, len(b))
	}
	for i := range rows {
		row := b[rowsOff+16*i:][:16]
		if int(le.Uint16(row)) >= len(tables.Rules) || row[2] > 1 || row[3] > 15 || row[4] > 3 || row[5] != 0 || le.Uint32(row[12:]) != 0 || (row[4] == 0) != (le.Uint32(row[8:]) == 0) {
			t.Errorf("row %d: %x", i, row)
		}
	}
	for k := range Kind(numKinds) {
		head := b[128+32*int(k):][:32]
		off, units := le.Uint32(head), le.Uint32(head[4:])
		start, absorbing, classes := le.Uint32(head[8:]), le.Uint32(head[12:]), le.Uint16(head[16:])
		switch encoding := le.Uint16(head[18:]); {
		case units == 0 && encoding == 0 && k.classifies():
			continue
		case encoding == 2:
			checkSparse(t, k, b, head, rows)
			continue
		case encoding != 1:
			t.Fatalf("%s: encoding %d", k, encoding)
		}
		class := b[640+256*int(k):][:256]
		per := (uint32(classes) + 1 + 31) / 32
		if off%64 != 0 || units == 0 || units > 65535 || units%per != 0 || int(off+64*units) > len(b) || start%per != 0 || start >= units {
			t.Fatalf("%s: automaton %x", k, head)
		}
		for _, c := range class {
			if c == 0 || uint16(c) > classes {
				t.Errorf("%s: class %d of %d", k, c, classes)
			}
		}
		for s := uint32(0); s < units; s += per {
			row := b[off+64*s:]
			if uint32(le.Uint16(row)) >= rows {
				t.Errorf("%s: state %d has row %d", k, s, le.Uint16(row))
			}
			loops := true
			for c := uint32(1); c <= uint32(classes); c++ {
				next := uint32(le.Uint16(row[2*c:]))
				loops = loops && next == s
				if next >= units || next%per != 0 {
					t.Fatalf("%s: state %d leads to %d", k, s, next)
				}
			}
			if zero := uint32(le.Uint16(row[2*int(class[0]):])); !k.exact() && zero != s {
				t.Errorf("%s: byte 0 moves state %d to %d", k, s, zero)
			}
			if loops != (s >= absorbing) {
				t.Errorf("%s: state %d, absorbing from %d, loops %v", k, s, absorbing, loops)
			}
		}
	}
	checkAddrDepth(t, tables)
}

// checkSparse holds the words of a sparse automaton against the format, without
// the code that steps through them.
func checkSparse(t *testing.T, k Kind, b, head []byte, rows uint32) {
	le := binary.LittleEndian
	off, total := le.Uint32(head), 4*le.Uint32(head[4:])
	start, absorbing, classes := le.Uint32(head[8:]), le.Uint32(head[12:]), uint32(le.Uint16(head[16:]))
	if off%64 != 0 || int(off+4*total) > len(b) || start < 2 || start >= total {
		t.Fatalf("%s: automaton %x", k, head)
	}
	word := func(i uint32) uint32 {
		if i >= total {
			t.Fatalf("%s: word %d of %d", k, i, total)
		}
		return le.Uint32(b[off+4*i:])
	}
	class := b[640+256*int(k):][:256]
	for _, c := range class {
		if c == 0 || uint32(c) > classes {
			t.Errorf("%s: class %d of %d", k, c, classes)
		}
	}
	for c := range classes {
		if word(1+c) != 0 {
			t.Errorf("%s: the first row leads from column %d to %d", k, 1+c, word(1+c))
		}
	}
	seen := map[uint32]bool{start: true}
	for queue := []uint32{start}; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		h := word(s)
		lo, row, window := h&0xff, h>>8&0xfffff*4, h>>28
		if window > 1 || row+classes >= total || lo > classes {
			t.Fatalf("%s: state %d begins with %x", k, s, h)
		}
		n, says := uint32(1), word(row)
		if window == 1 || lo == 0 {
			n, says = word(s+1)>>16, word(s+1)&0xffff
			if lo+n > classes+1 || (window == 1) != (n > 0) {
				t.Fatalf("%s: state %d has a window of %d from column %d", k, s, n, lo)
			}
		}
		if says >= rows {
			t.Fatalf("%s: state %d has row %d", k, s, says)
		}
		loops := true
		for c := uint32(1); c <= classes; c++ {
			next := word(row + c)
			if c >= lo && c < lo+n && lo > 0 {
				if next = s + 1; window == 1 {
					next = word(s + 2 + c - lo)
				}
			}
			switch next {
			case 0:
				next = s
			case 1:
				next = word(s - 1)
			}
			if c == uint32(class[0]) && !k.exact() && next != s {
				t.Errorf("%s: byte 0 moves state %d to %d", k, s, next)
			}
			loops = loops && next == s
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
		if loops != (s >= absorbing) {
			t.Errorf("%s: state %d, absorbing from %d, loops %v", k, s, absorbing, loops)
		}
	}
}

// Every state after the 20 bytes of an address is absorbing.
func checkAddrDepth(t *testing.T, tables *Tables) {
	m := tables.Machine(KindAddr)
	level := map[State]bool{m.Start(): true}
	for range 20 {
		next := map[State]bool{}
		for s := range level {
			for b := range 256 {
				next[m.Next(s, byte(b))] = true
			}
		}
		level = next
	}
	for s := range level {
		if !m.Absorbing(s) {
			t.Errorf("state %d is reached by 20 bytes and is not absorbing", s)
		}
	}
}

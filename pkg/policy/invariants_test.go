package policy

import (
	"encoding/binary"
	"testing"
)

// The guarantees of docs/format/policy.md, "Transition rows".
func TestBlobInvariants(t *testing.T) {
	sources := map[string]string{
		"reference": string(referenceSource(t)),
		"empty":     "version: 1\nbaseline: none\n",
		"allow":     "version: 1\nbaseline: none\ndefaultAction: allow\n",
		"rules=100": string(manyRules(100)),
	}
	for name, src := range sources {
		t.Run(name, func(t *testing.T) { checkBlob(t, mustCompile(t, src, Options{})) })
	}
}

func checkBlob(t *testing.T, tables *Tables) {
	le := binary.LittleEndian
	b := tables.Blob
	rowsOff, rows := le.Uint32(b[24:]), le.Uint32(b[28:])
	if le.Uint32(b) != 0x54504353 || le.Uint16(b[4:]) != 2 || int(le.Uint32(b[8:])) != len(b) || int(le.Uint32(b[12:])) != len(tables.Rules) {
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
		if units == 0 && k.classifies() {
			continue
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
	checkAddrDepth(t, b)
}

// Every state after the 20 bytes of an address is absorbing.
func checkAddrDepth(t *testing.T, b []byte) {
	le := binary.LittleEndian
	head := b[128+32*int(KindAddr):]
	off, absorbing, classes := le.Uint32(head), le.Uint32(head[12:]), le.Uint16(head[16:])
	level := map[uint32]bool{le.Uint32(head[8:]): true}
	for range 20 {
		next := map[uint32]bool{}
		for s := range level {
			for c := uint32(1); c <= uint32(classes); c++ {
				next[uint32(le.Uint16(b[off+64*s+2*c:]))] = true
			}
		}
		level = next
	}
	for s := range level {
		if s < absorbing {
			t.Errorf("state %d is reached by 20 bytes and is not absorbing", s)
		}
	}
}

// SPDX-License-Identifier: MIT

package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
)

// String returns h as 64 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads a hash as String writes it.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if !readHash(&h, []byte(s)) {
		return h, fmt.Errorf("%q is no hash: 64 lower-case hex digits", s)
	}
	return h, nil
}

// LeafHash is the hash of a record: SHA-256(0x00 || line), as in RFC 6962. The
// line has no newline. In a shell: printf '\000%s' "$line" | sha256sum
func LeafHash(line []byte) Hash {
	buf := make([]byte, 1+len(line))
	copy(buf[1:], line)
	return sha256.Sum256(buf)
}

// leafHashAt is LeafHash of line without a copy: it borrows the byte in front of
// the line, which buf has at position at-1.
func leafHashAt(buf []byte, at int) Hash {
	saved := buf[at-1]
	buf[at-1] = 0
	h := Hash(sha256.Sum256(buf[at-1:]))
	buf[at-1] = saved
	return h
}

func nodeHash(left, right *Hash) Hash {
	var b [65]byte
	b[0] = 1
	copy(b[1:33], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// tree is the right edge of an RFC 6962 Merkle tree (a compact range from leaf
// 0): one hash per bit of size. It is a value; a copy is a snapshot.
type tree struct {
	size uint64
	edge [64]Hash // edge[i] is a full subtree of 2^i leaves if bit i of size is set
}

func (t *tree) add(leaf Hash) {
	h, i := leaf, 0
	for ; t.size>>i&1 == 1; i++ {
		h = nodeHash(&t.edge[i], &h)
	}
	t.edge[i] = h
	t.size++
}

// root is the Merkle tree hash of RFC 6962 section 2.1; of no leaves it is the
// hash of nothing.
func (t *tree) root() Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	i := bits.TrailingZeros64(t.size)
	h := t.edge[i]
	for i++; t.size>>i != 0; i++ {
		if t.size>>i&1 == 1 {
			h = nodeHash(&t.edge[i], &h)
		}
	}
	return h
}

// compact returns the subtrees, the largest first, from which the root follows.
func (t *tree) compact() []Hash {
	var out []Hash
	for i := 63; i >= 0; i-- {
		if t.size>>i&1 == 1 {
			out = append(out, t.edge[i])
		}
	}
	return out
}

// treeOf is the tree of size leaves that has such subtrees.
func treeOf(size uint64, compact []Hash) (t tree, ok bool) {
	if bits.OnesCount64(size) != len(compact) {
		return t, false
	}
	t.size = size
	for i := 63; i >= 0; i-- {
		if size>>i&1 == 1 {
			t.edge[i], compact = compact[0], compact[1:]
		}
	}
	return t, true
}

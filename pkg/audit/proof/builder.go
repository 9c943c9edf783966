// SPDX-License-Identifier: MIT

// Package proof makes and checks proofs about a log's Merkle tree: that a record
// is in it (inclusion), and that a shorter tree is the beginning of a longer one
// (consistency). It knows RFC 6962 trees and C2SP's checkpoints and proof files,
// and nothing of records.
package proof

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Hash is a leaf, a node or a root of a tree.
type Hash [sha256.Size]byte

// Builder collects the nodes that a proof needs while the leaves of a log go by,
// so that a log of any length is proven about in constant memory.
type Builder struct {
	nodes proof.Nodes
	have  map[compact.NodeID][]byte // nil until seen
	tree  *compact.Range
	size  uint64
}

// Inclusion is a builder of the proof that the leaf at index is in the tree of
// the first size leaves.
func Inclusion(index, size uint64) (*Builder, error) {
	n, err := proof.Inclusion(index, size)
	if err != nil {
		return nil, fmt.Errorf("prove inclusion: %w", err)
	}
	return newBuilder(n, size), nil
}

// Consistency is a builder of the proof that the tree of the first size1 leaves
// is the beginning of that of the first size2.
func Consistency(size1, size2 uint64) (*Builder, error) {
	n, err := proof.Consistency(size1, size2)
	if err != nil {
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	return newBuilder(n, size2), nil
}

func newBuilder(n proof.Nodes, size uint64) *Builder {
	b := &Builder{nodes: n, have: map[compact.NodeID][]byte{}, size: size}
	for _, id := range n.IDs {
		b.have[id] = nil
	}
	f := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	b.tree = f.NewEmptyRange(0)
	return b
}

// Begin says that the leaves begin not with the first of the log but after those
// that edge stands for: the roots of the fewest full subtrees that these make up,
// the largest first. A proof about what is left of there may lack nodes then.
func (b *Builder) Begin(leaves uint64, edge []Hash) error {
	ids := compact.RangeNodes(0, leaves, nil)
	if len(ids) != len(edge) {
		return fmt.Errorf("%d hashes cannot stand for %d records", len(edge), leaves)
	}
	if leaves > b.size {
		return fmt.Errorf("the first %d records are not there, and the tree has only %d", leaves, b.size)
	}
	hashes := slices(edge)
	for i, id := range ids {
		if _, ok := b.have[id]; ok {
			b.have[id] = hashes[i]
		}
	}
	f := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	var err error
	b.tree, err = f.NewRange(0, leaves, hashes)
	return err
}

// Leaf takes the next leaf, beginning with the first of the log. Those beyond
// the tree are ignored.
func (b *Builder) Leaf(h Hash) error {
	if b.tree.End() >= b.size {
		return nil
	}
	leaf := h[:]
	return b.tree.Append(leaf, func(id compact.NodeID, hash []byte) {
		if _, ok := b.have[id]; ok {
			b.have[id] = hash
		}
	})
}

// Done says that all leaves of the tree have been taken.
func (b *Builder) Done() bool { return b.tree.End() == b.size }

// Proof returns the proof's hashes and the root of the tree.
func (b *Builder) Proof() ([]Hash, Hash, error) {
	var root Hash
	if !b.Done() {
		return nil, root, fmt.Errorf("the log has %d records, the tree %d", b.tree.End(), b.size)
	}
	var hashes [][]byte
	for _, id := range b.nodes.IDs {
		if b.have[id] == nil {
			return nil, root, errors.New("a part of the log that the proof needs is not there any more")
		}
		hashes = append(hashes, b.have[id])
	}
	hashes, err := b.nodes.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		return nil, root, err
	}
	out := make([]Hash, len(hashes))
	for i, h := range hashes {
		copy(out[i][:], h)
	}
	r, err := b.tree.GetRootHash(nil)
	if err != nil {
		return nil, root, err
	}
	if r == nil {
		r = rfc6962.DefaultHasher.EmptyRoot()
	}
	copy(root[:], r)
	return out, root, nil
}

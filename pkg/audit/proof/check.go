// SPDX-License-Identifier: MIT

package proof

import (
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
)

// CheckInclusion says whether hashes prove that leaf is the one at index of the
// tree with this size and root.
func CheckInclusion(index, size uint64, leaf Hash, hashes []Hash, root Hash) error {
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leaf[:], slices(hashes), root[:]); err != nil {
		return fmt.Errorf("check inclusion: %w", err)
	}
	return nil
}

// CheckConsistency says whether hashes prove that the tree of size1 and root1 is
// the beginning of that of size2 and root2.
func CheckConsistency(size1, size2 uint64, hashes []Hash, root1, root2 Hash) error {
	// Versions of the library differ in what they make of an empty tree.
	if size1 == 0 {
		if root1 != Hash(rfc6962.DefaultHasher.EmptyRoot()) || len(hashes) != 0 {
			return errors.New("check consistency: the first tree is empty, its root or proof is not")
		}
		return nil
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, size1, size2, slices(hashes), root1[:], root2[:]); err != nil {
		return fmt.Errorf("check consistency: %w", err)
	}
	return nil
}

func slices(hashes []Hash) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// SPDX-License-Identifier: MIT

package proof

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// fileHead is the first line of a C2SP tlog-proof.
const fileHead = "c2sp.org/tlog-proof@v1"

// File is a proof that somebody can check who has nothing but it and a key, or
// an anchor: C2SP's tlog-proof. The record is its extra data; that it is the one
// proven follows from its hash.
type File struct {
	Record     []byte // the line, without its newline
	Index      uint64
	Hashes     []Hash
	Checkpoint *Checkpoint
}

// Leaf is the hash of the record.
func (f *File) Leaf() Hash {
	return sha256.Sum256(append([]byte{0}, f.Record...))
}

// Check says whether the record is in the tree that the checkpoint names.
func (f *File) Check() error {
	return CheckInclusion(f.Index, f.Checkpoint.Size, f.Leaf(), f.Hashes, f.Checkpoint.Root)
}

// Marshal writes the proof.
func (f *File) Marshal() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", fileHead, base64.StdEncoding.EncodeToString(f.Record), f.Index)
	for _, h := range f.Hashes {
		fmt.Fprintln(&b, h.base64())
	}
	b.WriteByte('\n')
	b.Write(f.Checkpoint.Note)
	return b.Bytes()
}

// ParseFile reads a proof.
func ParseFile(text []byte) (*File, error) {
	if len(text) > maxNote+64<<10 {
		return nil, errors.New("proof is too long")
	}
	head, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || lines[0] != fileHead {
		return nil, fmt.Errorf("proof does not begin with %q", fileHead)
	}
	f := &File{}
	var err error
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if f.Record, err = base64.StdEncoding.Strict().DecodeString(lines[0][len("extra "):]); err != nil {
			return nil, fmt.Errorf("proof has no valid extra data: %w", err)
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return nil, errors.New("proof has no index")
	}
	index := lines[0][len("index "):]
	if f.Index, err = strconv.ParseUint(index, 10, 64); err != nil || strconv.FormatUint(f.Index, 10) != index {
		return nil, fmt.Errorf("proof has the index %q", index)
	}
	for _, line := range lines[1:] {
		var h Hash
		if !h.decode(line) {
			return nil, fmt.Errorf("proof has the hash %q", line)
		}
		f.Hashes = append(f.Hashes, h)
	}
	f.Checkpoint, err = ParseCheckpoint(checkpoint)
	return f, err
}

func (h Hash) base64() string { return base64.StdEncoding.EncodeToString(h[:]) }

// String is the hash as 64 hex digits, as records have it.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

func (h *Hash) decode(s string) bool {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && copy(h[:], b) == len(h) && len(b) == len(h)
}

// ParseHash reads a hash in hex, as records have it, or in base64, as checkpoints
// do.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) == hex.EncodedLen(len(h)) {
		if _, err := hex.Decode(h[:], []byte(s)); err == nil {
			return h, nil
		}
	}
	if !h.decode(s) {
		return h, fmt.Errorf("%q is no hash: 64 hex digits, or base64", s)
	}
	return h, nil
}

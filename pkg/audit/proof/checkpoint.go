// SPDX-License-Identifier: MIT

package proof

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is what a log says of itself at a size: C2SP's tlog-checkpoint.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   Hash
	Note   []byte // as it was read, with its signatures
}

// maxNote is the longest note taken; those of a log have some 200 bytes, and a
// cosignature some 100, or 3,300 where it is post-quantum.
const maxNote = 64 << 10

// ParseCheckpoint reads a checkpoint. Signatures may be there or not; whether
// they hold says [Checkpoint.SignedBy].
func ParseCheckpoint(text []byte) (*Checkpoint, error) {
	if len(text) > maxNote {
		return nil, errors.New("checkpoint is too long")
	}
	body, _, _ := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	if len(lines) < 3 || lines[0] == "" || strings.ContainsAny(lines[0], "\x00\r") {
		return nil, errors.New("checkpoint has no origin, size and root")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return nil, fmt.Errorf("checkpoint has the size %q", lines[1])
	}
	c := &Checkpoint{Origin: lines[0], Size: size, Note: text}
	if !c.Root.decode(lines[2]) {
		return nil, fmt.Errorf("checkpoint has the root %q", lines[2])
	}
	return c, nil
}

// Body is the text that is signed.
func Body(origin string, size uint64, root Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
}

// SignedBy returns the names of the keys whose signatures on the checkpoint
// hold. It is an error if one of the known keys signed something else.
func (c *Checkpoint) SignedBy(keys ...note.Verifier) ([]string, error) {
	n, err := note.Open(c.Note, note.VerifierList(keys...))
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) || !bytes.Contains(c.Note, []byte("\n\n")) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	var names []string
	for _, s := range n.Sigs {
		names = append(names, s.Name)
	}
	return names, nil
}

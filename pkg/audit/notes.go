// SPDX-License-Identifier: MIT

package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// The signed notes of a log: its birth note, the certificates of its segments'
// keys and its checkpoints; sections 1 and 4.3 of the format. All are C2SP
// signed notes whose key names are the log's origin.

// First lines of notes.
const (
	birthMagic    = "safeclaw audit log v2"
	birthMagicOld = "safeclaw audit log v1"
	certMagic     = "safeclaw audit segment v2"
)

// Birth is what a log's birth note says.
type Birth struct {
	Origin string
	Node   string // its name
	Born   string // RFC 3339
	Key    string // the birth key, as in C2SP signed notes
}

func (b *Birth) text() string {
	return fmt.Sprintf("%s\n%s\nnode %q\nborn %s\nkey %s\n", birthMagic, b.Origin, b.Node, b.Born, b.Key)
}

// ParseBirth reads a birth note and checks that its own key signed it. Whose key
// that is, it does not say.
func ParseBirth(msg []byte) (*Birth, error) {
	first, _, _ := strings.Cut(string(msg), "\n")
	if first == birthMagicOld {
		return nil, errOldFormat
	}
	lines := strings.Split(string(msg), "\n")
	if first != birthMagic || len(lines) < 6 {
		return nil, errors.New("origin is not the birth note of a log")
	}
	b := &Birth{Origin: lines[1]}
	var err error
	node, ok := strings.CutPrefix(lines[2], "node ")
	if b.Node, err = strconv.Unquote(node); !ok || err != nil {
		return nil, errors.New("birth note has no node")
	}
	var ok2 bool
	b.Born, ok = strings.CutPrefix(lines[3], "born ")
	b.Key, ok2 = strings.CutPrefix(lines[4], "key ")
	if !ok || !ok2 {
		return nil, errors.New("birth note has no time of birth or no key")
	}
	text, err := openNote(msg, b.Key, b.Origin)
	if err != nil {
		return nil, fmt.Errorf("birth note: %w", err)
	}
	if text != b.text() {
		return nil, errors.New("birth note is not as this format has it")
	}
	return b, nil
}

// Certificate says which key signs for a segment and where the segment begins.
// The key of the segment before signs it.
type Certificate struct {
	Origin  string
	Segment string // id
	Base    uint64
	Prev    Hash // of the record at Base
	Root    Hash // of the records before it
	Key     string
}

func (c *Certificate) text() string {
	return fmt.Sprintf("%s\n%s\n%s\n%d\n%s\n%s\n%s\n", certMagic, c.Origin, c.Segment, c.Base, c.Prev, c.Root, c.Key)
}

// ParseCertificate reads a certificate that the key by must have signed.
func ParseCertificate(msg []byte, by string) (*Certificate, error) {
	lines := strings.Split(string(msg), "\n")
	if lines[0] != certMagic || len(lines) < 8 {
		return nil, errors.New("not the certificate of a segment")
	}
	c := &Certificate{Origin: lines[1], Segment: lines[2], Key: lines[6]}
	base, ok := scanUint([]byte(lines[3]))
	if c.Base = base; !ok || !readHash(&c.Prev, []byte(lines[4])) || !readHash(&c.Root, []byte(lines[5])) {
		return nil, errors.New("certificate has no valid base, prev and root")
	}
	text, err := openNote(msg, by, c.Origin)
	if err != nil {
		return nil, fmt.Errorf("certificate of segment %s: %w", c.Segment, err)
	}
	if text != c.text() {
		return nil, errors.New("certificate is not as this format has it")
	}
	return c, nil
}

// Checkpoint is a signed statement of how far a log goes.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   Hash
}

func (c *Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
}

// ReadCheckpoint reads a checkpoint without checking signatures.
func ReadCheckpoint(msg []byte) (*Checkpoint, error) {
	lines := strings.SplitN(string(msg), "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return nil, errors.New("not a checkpoint")
	}
	c := &Checkpoint{Origin: lines[0]}
	size, ok := scanUint([]byte(lines[1]))
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if !ok || err != nil || len(root) != len(c.Root) || lines[2] != base64.StdEncoding.EncodeToString(root) {
		return nil, errors.New("checkpoint has no valid size and root")
	}
	c.Size = size
	copy(c.Root[:], root)
	return c, nil
}

// ParseCheckpoint reads a checkpoint that the key by must have signed.
func ParseCheckpoint(msg []byte, by string) (*Checkpoint, error) {
	c, err := ReadCheckpoint(msg)
	if err != nil {
		return nil, err
	}
	text, err := openNote(msg, by, c.Origin)
	if err != nil {
		return nil, fmt.Errorf("checkpoint of size %d: %w", c.Size, err)
	}
	if !strings.HasPrefix(text, c.text()) { // extension lines are allowed
		return nil, errors.New("checkpoint is not as this format has it")
	}
	return c, nil
}

// openNote returns the text of a note that a key with a name must have signed.
func openNote(msg []byte, key, name string) (string, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return "", fmt.Errorf("key %q: %w", key, err)
	}
	if v.Name() != name {
		return "", fmt.Errorf("key %q is not of %q", key, name)
	}
	n, err := note.Open(msg, note.VerifierList(v))
	if err != nil {
		return "", fmt.Errorf("check signature: %w", err)
	}
	return n.Text, nil
}

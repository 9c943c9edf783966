// SPDX-License-Identifier: MIT

package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// algEd25519 is the signature type of Ed25519 keys in signed notes.
const algEd25519 = 1

// segmentKey is the private key of a segment. It is a [note.Signer] whose
// private part can be wiped, which those of the note package cannot.
type segmentKey struct {
	name    string // the log's origin
	public  string // as in C2SP signed notes
	hash    uint32
	private ed25519.PrivateKey
}

var _ note.Signer = (*segmentKey)(nil)

func newSegmentKey(origin string) (*segmentKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return keyOf(origin, private)
}

func keyOf(origin string, private ed25519.PrivateKey) (*segmentKey, error) {
	public, err := note.NewEd25519VerifierKey(origin, ed25519.PublicKey(private[ed25519.SeedSize:]))
	if err != nil {
		return nil, fmt.Errorf("key of %q: %w", origin, err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("key of %q: %w", origin, err)
	}
	return &segmentKey{origin, public, v.KeyHash(), private}, nil
}

// Name implements [note.Signer].
func (k *segmentKey) Name() string { return k.name }

// KeyHash implements [note.Signer].
func (k *segmentKey) KeyHash() uint32 { return k.hash }

// Sign implements [note.Signer].
func (k *segmentKey) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(k.private, msg), nil }

// note signs a text.
func (k *segmentKey) note(text string) (string, error) {
	msg, err := note.Sign(&note.Note{Text: text}, k)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return string(msg), nil
}

// wipe makes the key useless, as far as a garbage collected program can.
func (k *segmentKey) wipe() { clear(k.private) }

// text is the private key as the note package encodes signing keys.
func (k *segmentKey) text() []byte {
	seed := append([]byte{algEd25519}, k.private.Seed()...)
	return fmt.Appendf(nil, "PRIVATE+KEY+%s+%08x+%s\n", k.name, k.hash, base64.StdEncoding.EncodeToString(seed))
}

func parseSegmentKey(text []byte) (*segmentKey, error) {
	errKey := errors.New("not a private key of a segment")
	parts := strings.SplitN(strings.TrimSuffix(string(text), "\n"), "+", 5)
	if len(parts) != 5 || parts[0] != "PRIVATE" || parts[1] != "KEY" {
		return nil, errKey
	}
	seed, err := base64.StdEncoding.DecodeString(parts[4])
	hash, err2 := strconv.ParseUint(parts[3], 16, 32)
	if err != nil || err2 != nil || len(seed) != 1+ed25519.SeedSize || seed[0] != algEd25519 {
		return nil, errKey
	}
	k, err := keyOf(parts[2], ed25519.NewKeyFromSeed(seed[1:]))
	if err != nil || k.hash != uint32(hash) {
		return nil, errKey
	}
	return k, nil
}

// save makes the key durable under its file name.
func (k *segmentKey) save(fsys vfs.FS, dir, name string) error {
	if err := writeDurably(fsys, dir, name, k.text()); err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	return nil
}

func loadSegmentKey(fsys vfs.FS, path string) (*segmentKey, error) {
	text, err := readAll(fsys, path)
	if err != nil {
		return nil, err
	}
	return parseSegmentKey(text)
}

// writeDurably creates or replaces a file in one step.
func writeDurably(fsys vfs.FS, dir, name string, content []byte) error {
	if err := replaceFile(fsys, dir, name, content); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// replaceFile is writeDurably, but after a crash it may still be the old file.
func replaceFile(fsys vfs.FS, dir, name string, content []byte) error {
	tmp := filepath.Join(dir, name+tmpSuffix)
	f, err := createTmp(fsys, tmp)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		// What there is of it may be all the room that a full disk has.
		return errors.Join(err, fsys.Remove(tmp))
	}
	return fsys.Rename(tmp, filepath.Join(dir, name))
}

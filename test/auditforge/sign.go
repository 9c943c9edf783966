package auditforge

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key is a private key that somebody has, and its public one.
type Key struct {
	Public string
	signer note.Signer
}

// AttackersKey is a key of an attacker who calls himself by the log's origin. It
// is always the same.
func AttackersKey(origin string) Key {
	seed := sha256.Sum256([]byte("the attacker's key"))
	private := ed25519.NewKeyFromSeed(seed[:])
	public, err := note.NewEd25519VerifierKey(origin, private.Public().(ed25519.PublicKey))
	must(err)
	v, err := note.NewVerifier(public)
	must(err)
	return ParseKey(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", origin, v.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{1}, seed[:]...))), public)
}

// ParseKey is a private key as a log keeps the one of its active segment.
func ParseKey(private, public string) Key {
	s, err := note.NewSigner(strings.TrimSpace(private))
	must(err)
	return Key{public, s}
}

func (k Key) sign(text string) string {
	msg, err := note.Sign(&note.Note{Text: text}, k.signer)
	must(err)
	return string(msg)
}

// must is for what cannot fail with what this package gives it.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// Origin is the log's origin.
func (l Log) Origin() string {
	_, rest, _ := strings.Cut(string(l["origin"]), "\n")
	origin, _, _ := strings.Cut(rest, "\n")
	return origin
}

// BirthKey is the key in the log's birth note.
func (l Log) BirthKey() string {
	_, rest, _ := strings.Cut(string(l["origin"]), "\nkey ")
	key, _, _ := strings.Cut(rest, "\n")
	return key
}

// Resign chains the records anew, and signs with the key whatever is signed in
// segments from base on: certificates, checkpoints and seals. With base 0 the
// log is born again with that key, under its old name.
func Resign(l Log, rs []Record, k Key, base uint64) []Record {
	if base == 0 {
		text, _, _ := bytes.Cut(l["origin"], []byte("\n\n"))
		l["origin"] = []byte(k.sign(strings.Replace(string(text), l.BirthKey(), k.Public, 1) + "\n"))
	}
	origin := l.Origin()
	var head string
	rs = rechain(l, rs, func(line []byte, kind string, at place) []byte {
		if at.seq < base {
			return line
		}
		switch kind {
		case "log.birth":
			return set(line, "note", string(l["origin"]))
		case "segment.header":
			return signHeader(line, origin, k, at)
		case "checkpoint":
			head = k.checkpoint(origin, at)
			return set(line, "note", head)
		case "segment.sealed":
			head = k.checkpoint(origin, at)
			return set(line, "checkpoint", head)
		}
		return line
	})
	l["head"] = []byte(head)
	return rs
}

func (k Key) checkpoint(origin string, at place) string {
	root, err := hex.DecodeString(at.tree.root())
	must(err)
	return k.sign(fmt.Sprintf("%s\n%d\n%s\n", origin, at.seq, base64.StdEncoding.EncodeToString(root)))
}

func signHeader(line []byte, origin string, k Key, at place) []byte {
	var h struct{ Segment, Key string }
	must(json.Unmarshal(line, &h))
	var edge []string
	for _, e := range at.tree.r.Hashes() {
		edge = append(edge, `"`+hex.EncodeToString(e)+`"`)
	}
	line = bytes.Replace(line, []byte(h.Key), []byte(k.Public), 1)
	line = regexp.MustCompile(`"base":\d+,"key"`).ReplaceAll(line, fmt.Appendf(nil, `"base":%d,"key"`, at.seq))
	line = regexp.MustCompile(`"root":"[0-9a-f]{64}","edge":\[[^\]]*\]`).ReplaceAll(line, fmt.Appendf(nil, `"root":"%s","edge":[%s]`, at.tree.root(), strings.Join(edge, ",")))
	return set(line, "cert", k.sign(fmt.Sprintf("safeclaw audit segment v2\n%s\n%s\n%d\n%x\n%s\n%s\n", origin, h.Segment, at.seq, at.prev, at.tree.root(), k.Public)))
}

// set replaces the value of a text member that the line has.
func set(line []byte, member, value string) []byte {
	quoted, err := json.Marshal(value)
	must(err)
	found := regexp.MustCompile(`"` + member + `":"(?:[^"\\]|\\.)*"`).FindIndex(line)
	if found == nil {
		panic("no " + member + " in " + string(line))
	}
	return bytes.Join([][]byte{line[:found[0]], fmt.Appendf(nil, `"%s":%s`, member, quoted), line[found[1]:]}, nil)
}

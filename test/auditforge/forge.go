// Package auditforge changes audit logs as somebody would who has the files but
// not the keys: it can compute every hash anew and sign nothing. It is written
// from the format's document, not from the code that it attacks.
package auditforge

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Log is the files of a log's directory by their names in it.
type Log map[string][]byte

// Load reads a log, but for its lock, its reserve and its private key.
func Load(dir string) (Log, error) {
	l := Log{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" || d.Name() == "reserve" || filepath.Ext(path) == ".key" {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		l[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	return l, err
}

// Save writes a log into a directory that is made.
func (l Log) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range l {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Clone is a copy that can be changed.
func (l Log) Clone() Log {
	c := maps.Clone(l)
	for name := range c {
		c[name] = bytes.Clone(c[name])
	}
	return c
}

var segmentName = regexp.MustCompile(`^\d{20}-[0-9a-f]{16}\.jsonl$`)

// Segments are the names of the log's plain segments in order.
func (l Log) Segments() []string {
	var out []string
	for name := range l {
		if segmentName.MatchString(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Record is a line of a segment, without its newline.
type Record struct {
	Segment string
	Line    []byte
}

// Records are all lines of all segments in order. What follows the last newline
// of a segment is left out.
func (l Log) Records() []Record {
	var out []Record
	for _, name := range l.Segments() {
		for line := range bytes.Lines(l[name]) {
			if bytes.HasSuffix(line, []byte{'\n'}) {
				out = append(out, Record{name, bytes.Clone(line[:len(line)-1])})
			}
		}
	}
	return out
}

// SetRecords replaces the lines of all segments. Segments without lines stay,
// empty.
func (l Log) SetRecords(rs []Record) {
	for _, name := range l.Segments() {
		l[name] = nil
	}
	for _, r := range rs {
		l[r.Segment] = append(append(l[r.Segment], r.Line...), '\n')
	}
}

var (
	head      = regexp.MustCompile(`^\{"v":\d+,"seq":(\d+),"prev":"([0-9a-f]{64})"`)
	kind      = regexp.MustCompile(`,"kind":"([a-z.]+)"`)
	committed = regexp.MustCompile(`,"size":\d+,"head":"[0-9a-f]{64}","root":"[0-9a-f]{64}","bytes":\d+,"crc32c":"[0-9a-f]{8}"\}$`)
)

// Kind is the record's kind. No text before it can have these bytes: quotes in
// texts are escaped.
func (r Record) Kind() string {
	if m := kind.FindSubmatch(r.Line); m != nil {
		return string(m[1])
	}
	return ""
}

// Seq is the record's sequence number.
func (r Record) Seq() uint64 {
	m := head.FindSubmatch(r.Line)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseUint(string(m[1]), 10, 64)
	return n
}

// Leaf is the record's leaf hash.
func (r Record) Leaf() [32]byte { return sha256.Sum256(append([]byte{0}, r.Line...)) }

// Rechain numbers all records anew and computes every hash, size and checksum
// that needs no key: what whoever can write the files can do. Signed notes are
// left as they are, and so is what headers say.
func Rechain(l Log, rs []Record) []Record { return rechain(l, rs, nil) }

// rechain is Rechain that lets sign change a line before it is hashed. at is the
// record's place in the new chain.
func rechain(l Log, rs []Record, sign func(line []byte, kind string, at place) []byte) []Record {
	prev := sha256.Sum256(l["origin"])
	tree := newTree()
	var since []byte // bytes since the last commit
	segment := ""
	out := make([]Record, len(rs))
	for i, r := range rs {
		if r.Segment != segment {
			segment, since = r.Segment, nil
		}
		line := head.ReplaceAll(r.Line, fmt.Appendf(nil, `{"v":2,"seq":%d,"prev":"%x"`, i, prev))
		if sign != nil {
			line = sign(line, r.Kind(), place{uint64(i), prev, tree})
		}
		commit := committed.FindIndex(line)
		if commit != nil {
			line = fmt.Appendf(line[:commit[0]:commit[0]], `,"size":%d,"head":"%x","root":"%s","bytes":%d`, i, prev, tree.root(), len(since))
			sum := crc32.Checksum(slices.Concat(since, line), crc32.MakeTable(crc32.Castagnoli))
			line = fmt.Appendf(line, `,"crc32c":"%08x"}`, sum)
		}
		out[i] = Record{r.Segment, line}
		if since = append(append(since, line...), '\n'); commit != nil {
			since = nil
		}
		prev = out[i].Leaf()
		tree.add(prev)
	}
	return out
}

// place is where a record stands in a chain.
type place struct {
	seq  uint64
	prev [32]byte
	tree tree // of the records before
}

type tree struct{ r *compact.Range }

func newTree() tree {
	f := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	return tree{f.NewEmptyRange(0)}
}

func (t tree) add(leaf [32]byte) {
	if err := t.r.Append(leaf[:], nil); err != nil {
		panic(err) // it has room for 2^64
	}
}

// root is the tree's root in hex.
func (t tree) root() string {
	h, err := t.r.GetRootHash(nil)
	if err != nil {
		panic(err) // it begins at 0
	}
	if h == nil {
		h = rfc6962.DefaultHasher.EmptyRoot()
	}
	return hex.EncodeToString(h)
}

// Root is the root of the first n records, in hex.
func Root(rs []Record, n int) string {
	t := newTree()
	for _, r := range rs[:n] {
		t.add(r.Leaf())
	}
	return t.root()
}

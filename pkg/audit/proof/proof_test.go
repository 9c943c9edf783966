// SPDX-License-Identifier: MIT

package proof

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func record(i uint64) []byte { return fmt.Appendf(nil, `{"seq":%d}`, i) }

func leaf(i uint64) Hash { return (&File{Record: record(i)}).Leaf() }

func build(tb testing.TB, b *Builder, leaves uint64) ([]Hash, Hash) {
	tb.Helper()
	for i := range leaves {
		check(tb, b.Leaf(leaf(i)))
	}
	hashes, root, err := b.Proof()
	check(tb, err)
	return hashes, root
}

// stored is the Go project's own implementation of the same trees.
type stored []tlog.Hash

func (s *stored) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		out[i] = (*s)[n]
	}
	return out, nil
}

func oracle(tb testing.TB, leaves uint64) *stored {
	s := &stored{}
	for i := range leaves {
		h, err := tlog.StoredHashes(int64(i), record(i), s)
		check(tb, err)
		*s = append(*s, h...)
	}
	return s
}

// Every proof of every tree up to 40 leaves is the one that another
// implementation makes, and only it holds.
func TestProofsAgainstTlog(t *testing.T) {
	const most = 40
	s := oracle(t, most)
	for size := uint64(1); size <= most; size++ {
		want, err := tlog.TreeHash(int64(size), s)
		check(t, err)
		for index := range size {
			b, err := Inclusion(index, size)
			check(t, err)
			got, root := build(t, b, most)
			p, err := tlog.ProveRecord(int64(size), int64(index), s)
			check(t, err)
			if root != Hash(want) || !same(got, p) {
				t.Fatalf("inclusion of %d in %d differs", index, size)
			}
			check(t, CheckInclusion(index, size, leaf(index), got, root))
			if CheckInclusion(index, size, leaf(index+1), got, root) == nil {
				t.Fatalf("another record is proven at %d of %d", index, size)
			}
			b, err = Consistency(index+1, size)
			check(t, err)
			got, root = build(t, b, most)
			old, err := tlog.TreeHash(int64(index+1), s)
			check(t, err)
			tree, err := tlog.ProveTree(int64(size), int64(index+1), s)
			check(t, err)
			if !same(got, tree) {
				t.Fatalf("consistency of %d with %d differs", index+1, size)
			}
			check(t, CheckConsistency(index+1, size, got, Hash(old), root))
			if CheckConsistency(index+1, size, got, leaf(99), root) == nil {
				t.Fatalf("another beginning of %d is consistent with %d", index+1, size)
			}
		}
	}
}

// A proof about a record needs nothing of what was before its segment but the
// edge of the tree there.
func TestProofsFromAnEdge(t *testing.T) {
	const size = 37
	edge := func(n uint64) []Hash {
		var out []Hash
		b, err := Inclusion(0, size)
		check(t, err)
		for i := range n {
			check(t, b.Leaf(leaf(i)))
		}
		for _, h := range b.tree.Hashes() {
			out = append(out, Hash(h))
		}
		return out
	}
	for index := range uint64(size) {
		b, err := Inclusion(index, size)
		check(t, err)
		whole, root := build(t, b, size)
		for base := range uint64(size) {
			b, err := Inclusion(index, size)
			check(t, err)
			check(t, b.Begin(base, edge(base)))
			for i := base; i < size; i++ {
				check(t, b.Leaf(leaf(i)))
			}
			got, gotRoot, err := b.Proof()
			if base > index { // its own segment is not there
				if err == nil {
					check(t, CheckInclusion(index, size, leaf(index), got, root))
				}
				continue
			}
			check(t, err)
			if gotRoot != root || fmt.Sprint(got) != fmt.Sprint(whole) {
				t.Fatalf("record %d from %d on: another proof", index, base)
			}
		}
	}
	b, err := Inclusion(3, size)
	check(t, err)
	if b.Begin(5, edge(7)) == nil || b.Begin(size+1, edge(5)) == nil {
		t.Error("an edge of another size was taken")
	}
}

func same[T ~[]tlog.Hash](a []Hash, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != Hash(b[i]) {
			return false
		}
	}
	return true
}

func TestTheEmptyTree(t *testing.T) {
	root := Hash(sha256.Sum256(nil))
	check(t, CheckConsistency(0, 7, nil, root, leaf(0)))
	if CheckConsistency(0, 7, nil, leaf(1), leaf(0)) == nil {
		t.Error("an empty tree has another root")
	}
	if CheckConsistency(0, 7, []Hash{leaf(1)}, root, leaf(0)) == nil {
		t.Error("a proof about nothing has hashes")
	}
	if _, err := Inclusion(0, 0); err == nil {
		t.Error("a record is in an empty tree")
	}
}

func TestTooFewRecords(t *testing.T) {
	b, err := Inclusion(1, 9)
	check(t, err)
	for i := range uint64(8) {
		check(t, b.Leaf(leaf(i)))
	}
	if _, _, err := b.Proof(); err == nil || b.Done() {
		t.Error("a tree of nine was built of eight")
	}
}

func signed(tb testing.TB, size uint64, root Hash) (*Checkpoint, note.Verifier) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "c/n-1/abc")
	check(tb, err)
	signer, err := note.NewSigner(skey)
	check(tb, err)
	verifier, err := note.NewVerifier(vkey)
	check(tb, err)
	text, err := note.Sign(&note.Note{Text: Body("c/n-1/abc", size, root)}, signer)
	check(tb, err)
	c, err := ParseCheckpoint(text)
	check(tb, err)
	return c, verifier
}

func TestFileIsAProofByItself(t *testing.T) {
	b, err := Inclusion(5, 11)
	check(t, err)
	hashes, root := build(t, b, 11)
	c, key := signed(t, 11, root)
	text := (&File{Record: record(5), Index: 5, Hashes: hashes, Checkpoint: c}).Marshal()
	f, err := ParseFile(text)
	check(t, err)
	check(t, f.Check())
	by, err := f.Checkpoint.SignedBy(key)
	check(t, err)
	if len(by) != 1 || by[0] != "c/n-1/abc" || f.Checkpoint.Origin != by[0] || !bytes.Equal(f.Record, record(5)) {
		t.Errorf("%v %+v", by, f)
	}
	// Nothing in it can be changed without the proof failing.
	// The last character but padding has bits that base64 leaves open.
	for i := range (len(text) - len("U=\n")) * 8 {
		bent := bytes.Clone(text)
		bent[i/8] ^= 1 << (i % 8)
		f, err := ParseFile(bent)
		if err != nil || f.Check() != nil {
			continue
		}
		if by, err := f.Checkpoint.SignedBy(key); err == nil && len(by) == 1 {
			t.Fatalf("bit %d of byte %d (%q) may be changed", i%8, i/8, text[max(0, i/8-10):min(len(text), i/8+10)])
		}
	}
}

func TestAForeignKeySignsNothing(t *testing.T) {
	c, _ := signed(t, 11, leaf(1))
	_, other := signed(t, 11, leaf(1))
	if by, err := c.SignedBy(other); err != nil || len(by) != 0 {
		t.Errorf("%v %v", by, err)
	}
	bare, err := ParseCheckpoint([]byte(Body("o", 3, leaf(1))))
	check(t, err)
	if by, err := bare.SignedBy(other); err != nil || len(by) != 0 {
		t.Errorf("%v %v", by, err)
	}
}

func TestWhatIsNoProofIsRefused(t *testing.T) {
	c, _ := signed(t, 1, leaf(0))
	good := string((&File{Record: record(0), Checkpoint: c}).Marshal())
	_, err := ParseFile([]byte(good))
	check(t, err)
	for _, bad := range []string{
		"", "x", strings.Replace(good, "@v1", "@v2", 1), strings.Replace(good, "index 0", "index 00", 1), strings.Replace(good, "index 0", "index -1", 1),
		strings.Replace(good, "index 0\n", "", 1), strings.Replace(good, "index 0\n", "index 0\nAAAA\n", 1), strings.Replace(good, "extra ", "extra *", 1),
		strings.Replace(good, "\n1\n", "\n01\n", 1), strings.Replace(good, "\n1\n", "\n", 1), strings.Replace(good, c.Origin, "", 1),
		good[:strings.Index(good, "\n\n")], good + strings.Repeat("x", 200_000),
	} {
		if _, err := ParseFile([]byte(bad)); err == nil {
			t.Errorf("taken: %.200q", bad)
		}
	}
}

func TestParseHash(t *testing.T) {
	h := leaf(3)
	for _, s := range []string{h.String(), h.base64()} {
		if got, err := ParseHash(s); err != nil || got != h {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"", "abc", h.String() + "0", strings.Repeat("zz", 32), h.base64()[1:]} {
		if _, err := ParseHash(s); err == nil {
			t.Errorf("%q is a hash", s)
		}
	}
}

// Whatever bytes a proof is, it is refused or written again as it was, and never
// holds for another record than its own.
func FuzzParseFile(f *testing.F) {
	b, err := Inclusion(5, 11)
	check(f, err)
	hashes, root := build(f, b, 11)
	c, _ := signed(f, 11, root)
	f.Add((&File{Record: record(5), Index: 5, Hashes: hashes, Checkpoint: c}).Marshal())
	f.Add([]byte(fileHead + "\nindex 0\n\no\n1\n" + leaf(0).base64() + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParseFile(text)
		if err != nil {
			return
		}
		if again, err := ParseFile(p.Marshal()); err != nil || again.Index != p.Index || again.Leaf() != p.Leaf() || len(again.Hashes) != len(p.Hashes) {
			t.Errorf("written again it is another: %v", err)
		}
		if p.Check() == nil {
			p.Record = append(p.Record, 'x')
			if p.Check() == nil {
				t.Error("it holds for two records")
			}
		}
	})
}

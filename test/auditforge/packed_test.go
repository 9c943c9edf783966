package auditforge

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// pack compresses the segments of a log that are not the last.
func pack(t *testing.T, l Log) Log {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	check(t, err)
	l = l.Clone()
	s := l.Segments()
	for _, name := range s[:len(s)-1] {
		l[name+".zst"] = w.EncodeAll(l[name], nil)
		delete(l, name)
	}
	return l
}

// What is compressed is verified, proven and exported like what is not, and
// every attack on it has the same verdict.
func TestPackedSegments(t *testing.T) {
	base := bases(t)
	anchor, err := Whole(base["rotated"])
	check(t, err)
	plain := audit.VerifyOptions{Anchors: []audit.Anchor{anchor}}
	if r := verify(t, pack(t, base["rotated"]), plain); r.Verdict != proven {
		t.Fatalf("%s %+v", r.Verdict, r.Bad)
	}
	for _, a := range Attacks() {
		if a.Base != "rotated" && a.Base != "removed" {
			continue
		}
		l := base[a.Base].Clone()
		a.Do(l, base)
		if len(l.Segments()) < 2 {
			continue
		}
		r := verify(t, pack(t, l), audit.VerifyOptions{})
		if r.Verdict != a.Verdict {
			t.Errorf("%s: %s, want %s; %+v", a.Name, r.Verdict, a.Verdict, r.Bad)
		}
	}
	// A bit of the compressed file: what it unpacks to is another, or nothing is.
	packed := pack(t, base["rotated"])
	name := base["rotated"].Segments()[0] + ".zst"
	for i := 0; i < len(packed[name])*8; i += 31 {
		l := packed.Clone()
		l[name][i/8] ^= 1 << (i % 8)
		if r := verify(t, l, plain); r.Verdict != tampered && !same(l[name], packed[name]) {
			t.Errorf("bit %d: %s", i, r.Verdict)
		}
	}
	dir := filepath.Join(t.TempDir(), "log")
	check(t, packed.Save(dir))
	var lines bytes.Buffer
	_, err = audit.Records(t.Context(), dir, audit.VerifyOptions{}, func(e audit.Entry) error {
		_, err := lines.Write(append(bytes.Clone(e.Line), '\n'))
		return err
	})
	check(t, err)
	var want bytes.Buffer
	for _, s := range base["rotated"].Segments() {
		want.Write(base["rotated"][s])
	}
	if !bytes.Equal(lines.Bytes(), want.Bytes()) {
		t.Error("the records of the packed log are others")
	}
}

// same says that two compressed files unpack to the same bytes: some bits of
// theirs say nothing about the content.
func same(a, b []byte) bool {
	r, err := zstd.NewReader(nil)
	if err != nil {
		return false
	}
	defer r.Close()
	x, errX := r.DecodeAll(a, nil)
	y, errY := r.DecodeAll(b, nil)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

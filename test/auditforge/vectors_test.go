package auditforge

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

const committedVectors = "testdata/vectors"

// Whoever writes another verifier begins here: nothing but the manifest is used.
func TestVectors(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(committedVectors, "manifest.json"))
	check(t, err)
	var m Manifest
	check(t, json.Unmarshal(b, &m))
	if len(m.Vectors) < 100 {
		t.Fatalf("only %d vectors", len(m.Vectors))
	}
	for _, v := range m.Vectors {
		var opts audit.VerifyOptions
		if v.Anchor != nil {
			root, err := audit.ParseHash(v.Anchor.Root)
			check(t, err)
			opts.Anchors = []audit.Anchor{{Origin: v.Anchor.Origin, Size: v.Anchor.Size, Root: root, Source: "elsewhere"}}
		}
		opts.Key = v.Key
		r, err := audit.Verify(t.Context(), filepath.Join(committedVectors, v.Log), opts)
		check(t, err)
		if r.Verdict != v.Verdict || r.ExitCode() != v.Exit {
			t.Errorf("%s: %s, exit %d; %+v", v.Name, r.Verdict, r.ExitCode(), r.Bad)
		}
		if (r.Bad == nil) != (v.Bad == nil) || r.Bad != nil && *v.Bad != (BadRecord{r.Bad.Segment, r.Bad.Line, r.Bad.Seq, r.Bad.Offset}) {
			t.Errorf("%s: first bad record %+v, want %+v", v.Name, r.Bad, v.Bad)
		}
	}
}

// The vectors are what the program makes of the logs among them.
func TestVectorsRegenerate(t *testing.T) {
	dir := t.TempDir()
	for name := range Bases() {
		l, err := Load(filepath.Join(committedVectors, name))
		check(t, err)
		check(t, l.Save(filepath.Join(dir, name)))
	}
	check(t, Generate(t.Context(), dir))
	want, err := Load(committedVectors)
	check(t, err)
	got, err := Load(dir)
	check(t, err)
	for name := range want {
		if !bytes.Equal(got[name], want[name]) {
			t.Errorf("%s is not what the program makes; run: go generate ./test/auditforge", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is missing; run: go generate ./test/auditforge", name)
	}
}

// Vectors are made from the logs that are there: attacks made on fresh ones get
// the same verdicts.
func TestFreshLogsMakeVectors(t *testing.T) {
	check(t, Generate(t.Context(), t.TempDir()))
}

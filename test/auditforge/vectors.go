package auditforge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

//go:generate go run ./generate testdata/vectors

// Manifest lists vectors: logs and the verdict that each must get.
type Manifest struct {
	Format  int      `json:"format"`
	About   string   `json:"about"`
	Vectors []Vector `json:"vectors"`
}

// Vector is one verification.
type Vector struct {
	Name    string        `json:"name"`
	Log     string        `json:"log"`              // directory
	Attack  string        `json:"attack,omitempty"` // as in section 8 of the format
	What    string        `json:"what"`
	Anchor  *Anchor       `json:"anchor,omitempty"`
	Key     string        `json:"key,omitempty"` // birth key that the verifier is given
	Exit    int           `json:"exit"`
	Verdict audit.Outcome `json:"verdict"`
	Bad     *BadRecord    `json:"first_bad,omitempty"`
	opts    audit.VerifyOptions
}

// Anchor is one that the verifier is given.
type Anchor struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"`
}

// BadRecord is where the first bad record is.
type BadRecord struct {
	File string `json:"file"`
	Line uint64 `json:"line"`
	Seq  uint64 `json:"seq"`
	Byte int64  `json:"byte"`
}

// Generate makes all vectors in a directory from the logs that are there, which
// are made if they are missing: these have keys and ids that nobody can make
// again. Everything else is the same each time.
func Generate(ctx context.Context, dir string) error {
	base := map[string]Log{}
	for name, b := range Bases() {
		l, err := Load(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			l, err = fresh(ctx, b)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		base[name] = l
	}
	m := Manifest{Format: 2, About: "Verify the log in each directory with what the vector gives (anchor, key, or neither); the verdict must be the one given."}
	for _, a := range Attacks() {
		vs, err := a.vectors(ctx, dir, base)
		if err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
		m.Vectors = append(m.Vectors, vs...)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(m); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), b.Bytes(), 0o644)
}

func fresh(ctx context.Context, b Base) (_ Log, err error) {
	tmp, err := os.MkdirTemp("", "vectors")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := b.Write(ctx, filepath.Join(tmp, "log")); err != nil {
		return nil, err
	}
	return Load(filepath.Join(tmp, "log"))
}

// vectors saves what an attack makes of a log, and says what a verifier must: the
// verdicts are those of the table of attacks, and it is an error if this one says
// another.
func (a Attack) vectors(ctx context.Context, dir string, base map[string]Log) ([]Vector, error) {
	l := base[a.Base].Clone()
	a.Do(l, base)
	at := filepath.Join(dir, a.Name)
	if err := os.RemoveAll(at); err != nil {
		return nil, err
	}
	if err := l.Save(at); err != nil {
		return nil, err
	}
	anchor, err := Whole(base[a.Base])
	if err != nil {
		return nil, err
	}
	vs := []Vector{
		{Name: a.Name, Verdict: a.Verdict},
		{Name: a.Name + "+anchor", Verdict: a.Anchored, Anchor: &Anchor{anchor.Origin, anchor.Size, anchor.Root.String()}, opts: audit.VerifyOptions{Anchors: []audit.Anchor{anchor}}},
		{Name: a.Name + "+key", Verdict: a.Keyed, Key: base[a.Base].BirthKey(), opts: audit.VerifyOptions{Key: base[a.Base].BirthKey()}},
	}
	for i := range vs {
		v := &vs[i]
		v.Log, v.Attack, v.What = a.Name, a.Of, a.What
		r, err := audit.Verify(ctx, at, v.opts)
		if err != nil {
			return nil, err
		}
		if r.Verdict != v.Verdict {
			return nil, fmt.Errorf("%s is %s, not %s: %+v", v.Name, r.Verdict, v.Verdict, r.Bad)
		}
		if v.Exit = r.ExitCode(); r.Bad != nil {
			v.Bad = &BadRecord{r.Bad.Segment, r.Bad.Line, r.Bad.Seq, r.Bad.Offset}
		}
	}
	return vs, nil
}

// Whole is an anchor of all that is in a log, up to its last commit.
func Whole(l Log) (audit.Anchor, error) {
	rs := l.Records()
	last := rs[len(rs)-1]
	if last.Kind() != "commit" {
		return audit.Anchor{}, errors.New("the log does not end with a commit")
	}
	var c struct {
		Size uint64
		Root string
	}
	if err := json.Unmarshal(last.Line, &c); err != nil {
		return audit.Anchor{}, err
	}
	root, err := audit.ParseHash(c.Root)
	return audit.Anchor{Origin: l.Origin(), Size: c.Size, Root: root, Source: "elsewhere"}, err
}

// SPDX-License-Identifier: MIT

package audit

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// maxSources bounds how many policy sources a verification remembers.
const maxSources = 10_000

// named takes down that a record names the source of a policy.
func (w *walker) named(r *parsed) error {
	var p struct{ Source string }
	var h Hash
	if json.Unmarshal(r.f.policy, &p) != nil || !readHash(&h, []byte(p.Source)) {
		return errors.New("record does not name the source of its policy")
	}
	if w.sources == nil {
		w.sources = map[string]bool{}
	}
	if len(w.sources) < maxSources {
		w.sources[p.Source] = true
	}
	return nil
}

// checkSources compares the policy sources beside the log with what records say
// of them. That one is missing is reported and no more: a writer whose disk was
// full has none.
func (w *walker) checkSources(fsys vfs.FS, dir string) error {
	for _, name := range slices.Sorted(maps.Keys(w.sources)) {
		path := filepath.Join(dir, sourcesName, name)
		sum, err := fileSum(fsys, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			w.rep.SourcesMissing++
		case err != nil:
			return err
		case sum.String() != name:
			w.rep.Bad = place{segment: sourcesName + "/" + name, line: 1}.bad(fmt.Errorf("the policy's source is another than records say: its hash is %s", sum))
			return nil
		default:
			w.rep.Sources++
		}
	}
	return nil
}

func fileSum(fsys vfs.FS, path string) (sum Hash, err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

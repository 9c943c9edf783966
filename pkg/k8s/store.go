package k8s

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// store keeps in a directory what must outlive the process: memory.json, and in
// texts/ the policies in force, by hash. Each file is replaced whole.
type store struct {
	dir     string
	written map[Hash]bool // texts that are there
	last    []byte        // memory.json as written last
}

const (
	memoryFile    = "memory.json"
	textsDir      = "texts"
	memoryVersion = 1
)

// remembered is memory.json.
type remembered struct {
	Version  int                `json:"version"`
	Pods     map[string]*memory `json:"pods"` // by CgroupUID
	Floor    *lastText          `json:"floor,omitempty"`
	Settings *lastText          `json:"settings,omitempty"`
	// Answered says that the API server has once told of both, or that there is none.
	Answered bool                `json:"answered"`
	texts    map[lastText][]byte // those that it names
}

func newRemembered() *remembered {
	return &remembered{Version: memoryVersion, Pods: map[string]*memory{}, texts: map[lastText][]byte{}}
}

// names calls fn for each text that is named.
func (r *remembered) names(fn func(lastText)) {
	for _, m := range r.Pods {
		for _, l := range m.Last {
			fn(l)
		}
	}
	for _, l := range []*lastText{r.Floor, r.Settings} {
		if l != nil {
			fn(*l)
		}
	}
}

// open reads the directory, or makes it. What is damaged is left out, and the
// error says so: it counts as never known, which gates.
func (s *store) open() (*remembered, error) {
	s.written = map[Hash]bool{}
	r := newRemembered()
	if s.dir == "" {
		return r, nil
	}
	if err := os.MkdirAll(filepath.Join(s.dir, textsDir), 0o700); err != nil {
		return r, fmt.Errorf("make state directory: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(s.dir, memoryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, r)
	}
	if err == nil && r.Version != memoryVersion {
		err = fmt.Errorf("it has version %d", r.Version)
	}
	if err != nil {
		return newRemembered(), fmt.Errorf("read what is remembered of pods: %w", err)
	}
	for uid, m := range r.Pods {
		if m == nil {
			delete(r.Pods, uid)
		}
	}
	var errs []error
	r.names(func(l lastText) {
		text, err := os.ReadFile(s.text(l.Hash))
		if err == nil && sha256.Sum256(text) != [32]byte(l.Hash) {
			err = errors.New("its hash differs")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read the last good version of %s: %w", l.Ref, err))
			return
		}
		r.texts[l] = text
		s.written[l.Hash] = true
	})
	return r, errors.Join(errs...)
}

func (s *store) text(h Hash) string {
	return filepath.Join(s.dir, textsDir, hex.EncodeToString(h[:])+".yaml")
}

// save writes what has changed. Texts are written before they are named, and
// removed when nothing names them any more.
func (s *store) save(r *remembered) error {
	if s.dir == "" {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write what is remembered of pods: %w", err)
	}
	if string(b) == string(s.last) {
		return nil
	}
	named := map[Hash]bool{}
	var errs []error
	r.names(func(l lastText) {
		named[l.Hash] = true
		text, ok := r.texts[l]
		if s.written[l.Hash] || !ok {
			return
		}
		if err := replace(s.text(l.Hash), text); err != nil {
			errs = append(errs, err)
			return
		}
		s.written[l.Hash] = true
	})
	if err := errors.Join(append(errs, replace(filepath.Join(s.dir, memoryFile), b))...); err != nil {
		return fmt.Errorf("write what is remembered of pods: %w", err)
	}
	s.last = b
	es, err := os.ReadDir(filepath.Join(s.dir, textsDir))
	if err != nil {
		return fmt.Errorf("list what is remembered: %w", err)
	}
	for _, e := range es {
		var h Hash
		name := e.Name()
		if len(name) == 69 && h.UnmarshalText([]byte(name[:64])) == nil && named[h] {
			continue
		}
		errs = append(errs, os.Remove(filepath.Join(s.dir, textsDir, name)))
		delete(s.written, h)
	}
	return errors.Join(errs...)
}

// replace writes a file so that whoever reads it finds the old or the new one.
func replace(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

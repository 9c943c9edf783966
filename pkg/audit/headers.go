// SPDX-License-Identifier: MIT

package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// header is a segment.header record as it stands in a line.
type header struct {
	Seq       uint64    `json:"seq"`
	Prev      string    `json:"prev"`
	Time      time.Time `json:"time"`
	Log       string    `json:"log"`
	Kind      string    `json:"kind"`
	Segment   string    `json:"segment"`
	Base      uint64    `json:"base"`
	Key       string    `json:"key"`
	Root      string    `json:"root"`
	Edge      []string  `json:"edge"`
	Previous  string    `json:"previous"`
	Abandoned *struct {
		Commit  uint64 `json:"commit"`
		Problem string `json:"problem"`
	} `json:"abandoned"`
	Cert string `json:"cert"`

	link link // before the header
}

// parseHeader reads a header line and checks it against itself.
func parseHeader(line []byte) (*header, error) {
	var p parser
	if _, err := p.parse(line); err != nil {
		return nil, err
	}
	h := &header{}
	if err := json.Unmarshal(line, h); err != nil {
		return nil, fmt.Errorf("read segment header: %w", err)
	}
	if h.Kind != KindSegmentHeader {
		return nil, errors.New("a segment begins with a segment.header record")
	}
	if h.Base != h.Seq {
		return nil, errors.New("segment header has another base than its own sequence number")
	}
	if !isHex([]byte(h.Segment)) || len(h.Segment) != 16 {
		return nil, errors.New("segment header has no valid segment id")
	}
	edge := make([]Hash, len(h.Edge))
	for i, s := range h.Edge {
		if !readHash(&edge[i], []byte(s)) {
			return nil, errors.New("segment header has no valid edge")
		}
	}
	t, ok := treeOf(h.Base, edge)
	if !ok || t.root().String() != h.Root {
		return nil, errors.New("segment header has another root than its edge")
	}
	if h.link.tree = t; !readHash(&h.link.prev, []byte(h.Prev)) {
		return nil, errors.New("segment header has no prev")
	}
	return h, nil
}

// certified checks the header's certificate, which the key by must have signed.
func (h *header) certified(by string) error {
	c, err := ParseCertificate([]byte(h.Cert), by)
	if err != nil {
		return err
	}
	want := Certificate{Origin: h.Log, Segment: h.Segment, Base: h.Base, Prev: h.link.prev, Root: h.link.tree.root(), Key: h.Key}
	if *c != want {
		return errors.New("certificate is for another segment than its header")
	}
	return nil
}

// name is the file name of the header's segment.
func (h *header) name() string { return segmentFile(h.Base, h.Segment) }

// headerChain reads the file of headers and checks every certificate, from the
// birth key on. It calls each for every header, and returns how long the file is
// up to its last whole line. A file that is not there has no headers.
func headerChain(fsys vfs.FS, dir string, birth *Birth, each func(*header) error) (whole int64, err error) {
	f, err := fsys.Open(filepath.Join(dir, headersName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	lines := newLineReader(io.NewSectionReader(f, 0, size), size)
	chain := headersFrom(birth)
	for n := uint64(1); ; n++ {
		at := lines.off
		from, to, end, err := lines.next()
		if err != nil {
			return 0, err
		}
		if end != newline {
			return at, nil
		}
		h, err := chain.next(lines.buf[from:to])
		if err != nil {
			return 0, &CorruptionError{headersName, at, n - 1, err}
		}
		if err := each(h); err != nil {
			return 0, err
		}
	}
}

// headerSequence checks headers one after the other.
type headerSequence struct {
	origin, key, segment string
	base                 uint64
}

func headersFrom(b *Birth) *headerSequence { return &headerSequence{origin: b.Origin, key: b.Key} }

// next checks the next header line.
func (s *headerSequence) next(line []byte) (*header, error) {
	h, err := parseHeader(line)
	if err != nil {
		return nil, err
	}
	switch {
	case h.Log != s.origin:
		return nil, fmt.Errorf("header belongs to the log %q", h.Log)
	case (h.Base == 0) != (s.segment == "") || h.Previous != s.segment || s.segment != "" && h.Base <= s.base:
		return nil, errors.New("header does not follow the one before it")
	}
	if err := h.certified(s.key); err != nil {
		return nil, err
	}
	if h.Base == 0 && h.Key != s.key {
		return nil, errors.New("the first segment is not signed by the birth key")
	}
	s.key, s.segment, s.base = h.Key, h.Segment, h.Base
	return h, nil
}

// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// parsed is a line as the verifier sees it. Its slices point into the line.
type parsed struct {
	seq  uint64
	prev Hash
	time []byte
	mono uint64
	kind []byte // without quotes
	f    fields
}

// fields are the values, as they stand in the line, of the members after kind
// that the verifier looks into. Absent ones are nil.
type fields struct {
	verdict, cpu, kseq, count, ranges []byte
	size, head, root, bytes, crc      []byte
	cpus, final, loadID, counted      []byte
	segment                           []byte
	policy                            []byte
	discarded, sha256, file           []byte
	note, checkpoint, upTo            []byte // with quotes, if they have any
}

// parser reads lines. It remembers the members that consecutive records share.
type parser struct {
	mid    []byte // from the comma before boot_id to the comma before kind
	bootID string
	log    string

	rec    parsed // the record being read
	member func(key, value []byte)
}

var (
	headStart = []byte(`{"v":2,"seq":`)
	oldStart  = []byte(`{"v":1,`)
	anyStart  = []byte(`{"v":`)
	prevKey   = []byte(`,"prev":"`)
	timeKey   = []byte(`","time":"`)
	monoKey   = []byte(`","mono":`)
	crcKey    = []byte(`,"crc32c":"`)
)

const (
	timeShape = "0000-00-00T00:00:00.000000000Z"
	crcSuffix = len(`,"crc32c":"00000000"}`)
)

// parse reads a line without its newline. The record is valid until the next
// call.
func (p *parser) parse(b []byte) (*parsed, error) {
	if p.member == nil {
		p.member = p.rec.member
	}
	p.rec = parsed{}
	r := &p.rec
	if !bytes.HasPrefix(b, headStart) {
		if bytes.HasPrefix(b, oldStart) {
			return nil, errOldFormat
		}
		if bytes.HasPrefix(b, anyStart) {
			return nil, errors.New("record is of a format version that this verifier does not know")
		}
		return nil, errJSON
	}
	if !utf8.Valid(b) {
		return nil, errors.New("line is not valid UTF-8")
	}
	c := cursor{b: b, i: len(headStart)}
	r.seq = c.uint()
	c.expect(prevKey)
	c.hash(&r.prev)
	c.expect(timeKey)
	r.time = c.date()
	c.expect(monoKey)
	r.mono = c.uint()
	if c.failed {
		return nil, errors.New("record does not begin with v, seq, prev, time and mono as this format has them")
	}
	if bytes.HasPrefix(b[c.i:], p.mid) && p.mid != nil {
		c.i += len(p.mid)
	} else if err := p.common(&c); err != nil {
		return nil, err
	}
	end, err := scanMembers(b, c.i, 0, p.member)
	if err != nil {
		return nil, err
	}
	if end != len(b) {
		return nil, errJSON
	}
	if r.kind == nil {
		return nil, errors.New("record has no kind")
	}
	return r, nil
}

// member takes note of a member from kind on.
func (r *parsed) member(key, v []byte) {
	f := &r.f
	switch string(key) {
	case "kind":
		r.kind = unquote(v)
	case "verdict":
		f.verdict = unquote(v)
	case "cpu":
		f.cpu = v
	case "kseq":
		f.kseq = v
	case "count":
		f.count = v
	case "counted":
		f.counted = v
	case "ranges":
		f.ranges = v
	case "size":
		f.size = v
	case "head":
		f.head = unquote(v)
	case "root":
		f.root = unquote(v)
	case "bytes":
		f.bytes = v
	case "crc32c":
		f.crc = unquote(v)
	case "cpus":
		f.cpus = v
	case "final":
		f.final = v
	case "load_id":
		f.loadID = v
	case "segment":
		f.segment = unquote(v)
	case "note":
		f.note = v
	case "checkpoint":
		f.checkpoint = v
	case "upto":
		f.upTo = v
	case "policy":
		f.policy = v
	case "discarded":
		f.discarded = v
	case "sha256":
		f.sha256 = unquote(v)
	case "file":
		f.file = unquote(v)
	}
}

// common reads the members from boot_id to log.
func (p *parser) common(c *cursor) error {
	start := c.i
	var bootID, log []byte
	var node bool
	for i := c.i; ; {
		if i >= len(c.b) || c.b[i] != ',' {
			return errJSON
		}
		k, v, end, err := scanMember(c.b, i+1, 0)
		if err != nil {
			return err
		}
		switch string(k) {
		case "boot_id":
			bootID = v
		case "node":
			node = true
		case "log":
			log = v
		case "kind":
			if bootID == nil || log == nil || !node {
				return errors.New("record lacks boot_id, node or log before its kind")
			}
			c.i = i + 1
			p.mid = append(p.mid[:0], c.b[start:c.i]...)
			if err := json.Unmarshal(bootID, &p.bootID); err != nil {
				return fmt.Errorf("read boot_id: %w", err)
			}
			if err := json.Unmarshal(log, &p.log); err != nil {
				return fmt.Errorf("read log: %w", err)
			}
			return nil
		}
		i = end
	}
}

// unquote takes the quotes off a string value that has no escapes that matter.
func unquote(v []byte) []byte {
	if len(v) < 2 || v[0] != '"' {
		return nil
	}
	return v[1 : len(v)-1]
}

// cursor reads the fixed part of a line.
type cursor struct {
	b      []byte
	i      int
	failed bool
}

func (c *cursor) expect(s []byte) {
	if !bytes.HasPrefix(c.b[c.i:], s) {
		c.failed = true
		return
	}
	c.i += len(s)
}

func (c *cursor) take(n int) []byte {
	if c.failed || len(c.b)-c.i < n {
		c.failed = true
		return nil
	}
	c.i += n
	return c.b[c.i-n : c.i]
}

func (c *cursor) uint() uint64 {
	n := 0
	for c.i+n < len(c.b) && c.b[c.i+n] >= '0' && c.b[c.i+n] <= '9' {
		n++
	}
	v, ok := scanUint(c.take(n))
	c.failed = c.failed || !ok
	return v
}

func (c *cursor) hash(h *Hash) {
	if s := c.take(64); s != nil && !readHash(h, s) {
		c.failed = true
	}
}

// readHash reads 64 lower-case hex digits.
func readHash(h *Hash, s []byte) bool {
	if len(s) != 64 || !isHex(s) {
		return false
	}
	_, err := hex.Decode(h[:], s)
	return err == nil
}

func (c *cursor) date() []byte {
	s := c.take(len(timeShape))
	for i, ch := range s {
		if want := timeShape[i]; want == '0' && (ch < '0' || ch > '9') || want != '0' && ch != want {
			c.failed = true
		}
	}
	return s
}

// SPDX-License-Identifier: MIT

package safeclaw

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxLine bounds the memory of a check; SafeClaw itself has no limit.
const maxLine = 16 << 20

// genesis is the prevHash of the first entry.
const genesis = "GENESIS"

// Verify reads a log to its end, one line at a time. What is wrong with the log
// is in the report; an error means that it could not be read.
func Verify(ctx context.Context, src io.Reader, path string, anchor *Anchor) (*Report, error) {
	v := verifier{rep: Report{Path: path}, want: genesis, anchor: anchor}
	in := bufio.NewReaderSize(src, 256<<10)
	for v.rep.Bad == nil {
		if v.line%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			v.rep.TailBytes = int64(len(line))
			break
		}
		if err != nil {
			return nil, fmt.Errorf("verify %s, line %d: %w", path, v.line+1, err)
		}
		v.line++
		if err := v.entry(line); err != nil {
			v.fail(err)
		}
		v.offset += int64(len(line)) + 1
	}
	v.end()
	v.rep.finish(anchor)
	return &v.rep, nil
}

type verifier struct {
	rep    Report
	anchor *Anchor
	want   string // prevHash of the next entry
	chain  bool   // an entry with a prevHash was seen
	line   uint64
	offset int64 // of the line being read

	doubt *doubt
	prev  Bad // the place of the last entry
}

// doubt is about two neighbours of which one was changed: the second's prevHash
// is not the first's hash. Whether the second is as its own successor saw it
// tells which.
type doubt struct {
	first, second Bad
	hash          string // of the second as it is
}

func (v *verifier) fail(err error) {
	v.rep.Bad = &Bad{Line: v.line, Offset: v.offset, Problem: err.Error()}
}

func (v *verifier) entry(line []byte) error {
	if len(bytes.TrimSpace(line)) == 0 {
		return nil // SafeClaw skips them
	}
	if !utf8.Valid(line) {
		return errors.New("it is not UTF-8, which SafeClaw never writes")
	}
	var e struct {
		PrevHash *string `json:"prevHash"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return errors.New("it is no JSON object with a prevHash that is a string")
	}
	hash := sum(line)
	if d := v.doubt; d != nil {
		v.doubt = nil
		v.settle(d, e.PrevHash != nil && *e.PrevHash == d.hash)
		return nil
	}
	here := Bad{Line: v.line, Offset: v.offset}
	switch {
	case e.PrevHash == nil || *e.PrevHash == "":
		if v.chain {
			return errors.New("it has no prevHash, although entries before it have. SafeClaw's own check skips such lines, so that whoever strips the hashes can change what follows")
		}
		v.rep.Unchained++
	case *e.PrevHash == v.want:
		v.chain = true
	case *e.PrevHash == genesis:
		return errors.New("the chain begins anew here: what was before it has been replaced or put in front")
	case v.rep.Entries == 0:
		return errors.New("the first entry does not say GENESIS: what was before it is gone")
	default:
		v.doubt = &doubt{first: v.prev, second: here, hash: hash}
		return nil
	}
	v.rep.Entries++
	v.rep.Head, v.want, v.prev = hash, hash, here
	if a := v.anchor; a != nil && a.Lines == v.rep.Entries {
		if a.Hash != hash {
			return fmt.Errorf("the anchor names another entry %d: this line or one before it was changed, with all hashes after it", a.Lines)
		}
		v.rep.Anchored = a.Lines
	}
	return nil
}

// settle names the bad one of two neighbours.
func (v *verifier) settle(d *doubt, secondHolds bool) {
	b := d.second
	b.Problem = "its prevHash is not the hash of the line before it, and it is not as the line after it saw it"
	if secondHolds {
		b = d.first
		b.Problem = "its hash is not the one that the next line holds: it was changed, or lines were removed after it"
		v.rep.Entries--
	}
	v.rep.Bad = &b
}

func (v *verifier) end() {
	if d := v.doubt; d != nil {
		d.second.Problem = "its prevHash is not the hash of the line before it: one of the two was changed"
		v.rep.Bad = &d.second
	}
	if a := v.anchor; a != nil && v.rep.Bad == nil && v.rep.Entries < a.Lines {
		v.line++
		v.fail(fmt.Errorf("the log ends after %d entries, the anchor names %d: the end was cut off, or this is an older copy", v.rep.Entries, a.Lines))
	}
}

// readLine returns a line without its newline, or what there is at the end of
// the file with io.EOF.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if line == nil && err == nil {
			return part[:len(part)-1], nil
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case len(line) > maxLine:
			return nil, fmt.Errorf("line is longer than %d bytes", maxLine)
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

func sum(line []byte) string {
	h := sha256.Sum256(line)
	return hex.EncodeToString(h[:])
}

// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"context"
	"errors"
)

// Entry is a record of a log, with what is needed to prove it.
type Entry struct {
	Seq  uint64
	Leaf Hash   // RFC 6962 leaf hash
	Line []byte // exact bytes, without the newline; valid until f returns
}

// Records verifies a log as [Verify] does and calls f with every record that
// holds and is committed, in order, in bounded memory. Records behind the last
// commit record are not shown, nor are a bad one and those after it. An error of
// f ends it and is returned.
func Records(ctx context.Context, path string, opts VerifyOptions, f func(Entry) error) (*Report, error) {
	var waiting []Entry
	var lines bytes.Buffer // of those waiting, back to back
	return scan(ctx, path, opts, func(seq uint64, leaf Hash, line []byte, commit bool) error {
		if lines.Len() > maxTail {
			return errors.New("more than a writer puts into one commit has none")
		}
		waiting = append(waiting, Entry{seq, leaf, nil})
		lines.Write(line)
		lines.WriteByte('\n')
		if !commit {
			return nil
		}
		for _, e := range waiting {
			b := lines.Bytes()
			n := bytes.IndexByte(b, '\n')
			e.Line = b[:n]
			if err := f(e); err != nil {
				return err
			}
			lines.Next(n + 1)
		}
		waiting = waiting[:0]
		lines.Reset()
		return nil
	})
}

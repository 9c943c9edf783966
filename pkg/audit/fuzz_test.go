// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"encoding/json"
	"testing"
)

// What the parser accepts is JSON, and it reads what encoding/json reads.
func FuzzParseLine(f *testing.F) {
	files, segment := sampleLog(f, 3, 2)
	for line := range bytes.Lines(files[segment]) {
		f.Add(bytes.TrimSuffix(line, []byte{'\n'}))
	}
	f.Add([]byte(`{"v":3}`))
	f.Add([]byte(`{"v":2,"seq":18446744073709551616,"prev":"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var p parser
		r, err := p.parse(line)
		if err != nil {
			return
		}
		var want struct {
			Seq       uint64
			Prev, Log string
			BootID    string `json:"boot_id"`
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatalf("accepted %q: %v", line, err)
		}
		if want.Seq != r.seq || want.Prev != r.prev.String() || want.Log != p.log || want.BootID != p.bootID {
			t.Errorf("read %d %s %q %q from %q", r.seq, r.prev, p.log, p.bootID, line)
		}
		if again, err := p.parse(line); err != nil || again.seq != r.seq {
			t.Errorf("second reading: %v", err)
		}
	})
}

// No segment makes the verifier fail, and none that begins as a log does but
// goes on differently is proven.
func FuzzVerify(f *testing.F) {
	files, segment := sampleLog(f, 4, 2)
	delete(files, headName)
	good := files[segment]
	f.Add(0, 0, []byte{})
	f.Add(10, 3, []byte("x"))
	f.Add(len(good), 0, []byte("{}\n"))
	f.Add(len(good), 0, make([]byte, 70_000))
	f.Add(commitEnds(good)[1], 1<<30, []byte(nil))
	commits := map[int]bool{}
	for _, end := range commitEnds(good) {
		commits[end] = true
	}
	f.Fuzz(func(t *testing.T, at, drop int, insert []byte) {
		at = min(max(at, 0), len(good))
		drop = min(max(drop, 0), len(good)-at)
		data := bytes.Join([][]byte{good[:at], insert, good[at+drop:]}, nil)
		r := verifyMem(t, with(files, segment, data))
		whole := bytes.HasPrefix(good, data) && commits[len(data)]
		if (r.ExitCode() == ExitProven) != whole {
			t.Errorf("exit %d for %d bytes replaced by %q at %d: %+v", r.ExitCode(), drop, insert, at, r.Bad)
		}
		r.Bad, r.Path = nil, ""
		if err := r.JSON(&bytes.Buffer{}); err != nil {
			t.Error(err)
		}
	})
}

// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"errors"
	"testing"
)

func TestRecordsShowsWhatIsCommitted(t *testing.T) {
	files, segment := sampleLog(t, 12, 3)
	data := files[segment]
	commits := commitEnds(data)
	for i, cut := range []int{len(data), commits[3], commits[3] + 900, commits[4] - 1} {
		var got []byte
		var next uint64
		_, err := Records(t.Context(), "log", VerifyOptions{FS: with(files, segment, data[:cut])}, func(e Entry) error {
			if e.Seq != next || e.Leaf != LeafHash(e.Line) {
				t.Errorf("record %d where %d belongs", e.Seq, next)
			}
			next++
			got = append(append(got, e.Line...), '\n')
			return nil
		})
		check(t, err)
		want := data[:commits[3]]
		if i == 0 {
			want = data
		}
		if !bytes.Equal(got, want) {
			t.Errorf("cut at %d: %d bytes shown, want %d", cut, len(got), len(want))
		}
	}
	stop := errors.New("enough")
	if _, err := Records(t.Context(), "log", VerifyOptions{FS: newMemFS(files)}, func(e Entry) error {
		if e.Seq == 3 {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// A record that only its successor shows to be bad is in no commit that holds.
func TestRecordsShowsNoBadOne(t *testing.T) {
	files, segment := sampleLog(t, 12, 3)
	data := bytes.Replace(files[segment], []byte("shadow-7"), []byte("shadow-X"), 1)
	r, err := Records(t.Context(), "log", VerifyOptions{FS: with(files, segment, data)}, func(e Entry) error {
		if bytes.Contains(e.Line, []byte("shadow-X")) {
			t.Error("the changed record was shown")
		}
		return nil
	})
	check(t, err)
	if r.Bad == nil {
		t.Error("it was not found")
	}
}

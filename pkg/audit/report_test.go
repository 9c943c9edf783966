// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

func TestReportSaysWhatIsProven(t *testing.T) {
	files, segment := sampleLog(t, 6, 3)
	delete(files, headName)
	damaged := bytes.Replace(files[segment], []byte("shadow-4"), []byte("shadow-9"), 1)
	for name, c := range map[string]struct {
		m    *memFS
		exit int
		want []string
	}{
		"clean":    {newMemFS(files), ExitProven, []string{"HOLDS, UNANCHORED", "Complete from record 0 to 16", "No anchor was given", "6 in the log"}},
		"torn":     {with(files, segment, files[segment][:len(files[segment])-5]), ExitIncomplete, []string{"INCOMPLETE", "after the last commit record"}},
		"tampered": {with(files, segment, damaged), ExitTampered, []string{"TAMPERED", "Record 10 does not hold", "line 11", "The 10 records before it hold", "record was changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := verifyMem(t, c.m)
			var text, asJSON bytes.Buffer
			check(t, r.WriteText(&text, false))
			check(t, r.JSON(&asJSON))
			for _, want := range c.want {
				if !strings.Contains(text.String(), want) {
					t.Errorf("no %q in\n%s", want, text.String())
				}
			}
			if r.ExitCode() != c.exit || !json.Valid(asJSON.Bytes()) {
				t.Errorf("exit %d, %s", r.ExitCode(), asJSON.String())
			}
		})
	}
}

func TestSingleSegment(t *testing.T) {
	files, segment := sampleLog(t, 6, 3)
	m := newMemFS(files)
	r, err := Verify(t.Context(), filepath.Join("log", segment), VerifyOptions{FS: m, Unanchored: true})
	check(t, err)
	if r.ExitCode() != ExitProven || r.Origin == "" || !strings.Contains(strings.Join(r.Statement, " "), "single segment") {
		t.Errorf("exit %d, %+v", r.ExitCode(), r)
	}
}

// SPDX-License-Identifier: MIT

package audit

import (
	"crypto/sha256"
	"strings"
	"testing"
)

// A policy's source beside the log is the one that records name, or the log is
// tampered with; one that is missing is said to be.
func TestSourcesAreWhatRecordsSay(t *testing.T) {
	m := newMemFS(nil)
	l := openMem(t, m)
	for _, s := range []string{"one", "two", "three"} {
		if s != "three" {
			check(t, l.KeepSource([]byte(s)))
		}
		check(t, l.Append(&PolicyApplied{Policy: Policy{Name: s, SourceHash: sha256.Sum256([]byte(s))}, Mode: "enforce", Baseline: "image"}))
	}
	check(t, l.Close(t.Context()))
	r := verifyMem(t, m)
	if r.Bad != nil || r.Sources != 2 || r.SourcesMissing != 1 || !strings.Contains(strings.Join(r.Statement, " "), "of 1 it is not there") {
		t.Errorf("%+v %d %d %v", r.Bad, r.Sources, r.SourcesMissing, r.Statement)
	}
	name := Hash(sha256.Sum256([]byte("two"))).String()
	m.files["log/sources/"+name].data[0] ^= 1
	r = verifyMem(t, m)
	if r.Bad == nil || r.Bad.Segment != "sources/"+name || r.ExitCode() != ExitTampered {
		t.Errorf("%+v", r.Bad)
	}
}

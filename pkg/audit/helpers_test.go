// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"testing"
)

// long says that sampled tests are to be complete.
var long = os.Getenv("SAFECLAW_LONG") != ""

// decision is a denied open, the n-th of its CPU.
func decision(n uint64) *Decision {
	return &Decision{
		Verdict: Deny, Action: "file.read", Hook: "file_open", CPU: 0, KSeq: n, KernelTime: 3_600_000_000_000 + n,
		Subject: fmt.Appendf(nil, "/etc/shadow-%d", n), SubjectID: FileID{Dev: 8388609, Ino: 1234 + n}, Class: "root",
		Rule: "no-secrets", RuleNumber: 3, Reason: "system credentials", Errno: 13,
		Process: Process{
			PID: 4711, TID: 4711, StartTime: 3_599_000_000_000, UID: 1000, GID: 1000,
			Comm: []byte("python3"), Exe: []byte("/usr/bin/python3.12"), ExeID: FileID{Dev: 8388609, Ino: 99},
		},
		Parent:   Parent{PID: 4700, StartTime: 3_598_000_000_000, Comm: []byte("sh")},
		CgroupID: 815,
		Policy:   Policy{Name: "reference", SourceHash: sha256.Sum256([]byte("source")), TableHash: sha256.Sum256([]byte("table"))},
	}
}

func memOptions(m *memFS) Options {
	return Options{FS: m, Machine: &fakeMachine{boot: "boot-1"}, Node: Node{Name: "n", UID: "n-1"}, Cluster: "c"}
}

// openMem opens the log in m.
func openMem(tb testing.TB, m *memFS) *Log {
	tb.Helper()
	l, err := Open(context.Background(), "log", memOptions(m))
	check(tb, err)
	return l
}

func verifyMem(tb testing.TB, m *memFS) *Report {
	tb.Helper()
	r, err := Verify(context.Background(), "log", VerifyOptions{FS: m, Unanchored: true})
	check(tb, err)
	return r
}

// sampleLog writes a log of a header, a start, decisions in commits of batch,
// a stop, and the commits between, and returns its files and its segment.
func sampleLog(tb testing.TB, decisions, batch int) (files map[string][]byte, segment string) {
	tb.Helper()
	m := newMemFS(nil)
	l := openMem(tb, m)
	ctx := context.Background()
	check(tb, l.Append(&AgentStart{Version: "0.1", Kernel: "6.12", LoadID: "load-1"}))
	check(tb, l.Flush(ctx))
	for i := range decisions {
		d := decision(uint64(i + 1))
		d.Verdict = WouldDeny // not critical, so that the batches are ours
		check(tb, l.Append(d))
		if (i+1)%batch == 0 {
			check(tb, l.Flush(ctx))
		}
	}
	n := uint64(decisions)
	check(tb, l.Close(ctx, &AgentStop{Reason: "done", CPUs: []CPUCounters{{Seq: n, Emitted: n}}}))
	files = m.snapshot()
	for name := range files {
		if segmentName.MatchString(name) {
			segment = name
		}
	}
	return files, segment
}

// lineEnds returns the offset after each line.
func lineEnds(data []byte) []int {
	var ends []int
	for i, c := range data {
		if c == '\n' {
			ends = append(ends, i+1)
		}
	}
	return ends
}

// commitEnds returns the offset after each commit record.
func commitEnds(data []byte) []int {
	var ends []int
	off := 0
	for line := range bytes.Lines(data) {
		off += len(line)
		if bytes.Contains(line, []byte(`"kind":"commit"`)) {
			ends = append(ends, off)
		}
	}
	return ends
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

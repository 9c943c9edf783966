// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// cpuTime is what this process has used of all CPUs.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	check(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkVerifySegments is a log of many segments of records of about 500
// bytes, as `audit verify` reads it. cpu-ns/record does not depend on what else
// the machine does; B/op is all that was ever allocated, and grows with the number
// of segments only.
func BenchmarkVerifySegments(b *testing.B) {
	for name, records := range map[string]int{"100k": 100_000, "800k": 800_000} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			l, err := Open(b.Context(), dir, Options{SegmentBytes: 16 << 20, MaxBytes: 4 << 30})
			check(b, err)
			d := &Decision{Verdict: Allow, Action: "file.read", Hook: "file_open", KSeq: 1, Subject: []byte("/app/data"), Process: Process{PID: 1, TID: 1}}
			for range records {
				for errors.Is(l.Append(d), ErrQueueFull) {
					time.Sleep(time.Millisecond)
				}
				d.KSeq++
			}
			check(b, l.Close(b.Context()))
			var n uint64
			b.ReportAllocs()
			began := cpuTime(b)
			for b.Loop() {
				r, err := Verify(b.Context(), dir, VerifyOptions{Unanchored: true})
				check(b, err)
				if r.ExitCode() != ExitProven || r.Records < uint64(records) {
					b.Fatalf("%+v", r.Bad)
				}
				n += r.Records
			}
			used := cpuTime(b) - began
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(used)/float64(n), "cpu-ns/record")
		})
	}
}

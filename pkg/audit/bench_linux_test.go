// SPDX-License-Identifier: MIT

package audit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fileSystem names what temporary directories are on.
func fileSystem(tb testing.TB) string {
	tb.Helper()
	var st unix.Statfs_t
	check(tb, unix.Statfs(tb.TempDir(), &st))
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	}
	return fmt.Sprintf("fs-%x", st.Type)
}

// BenchmarkAppendDurable is Append of a record of 500 bytes to behind a commit
// record and fdatasync, on the file system of the temporary directory, which the
// name has. A full queue is waited out. On a machine that is busy with other
// things cpu-us/record says more than records/s.
func BenchmarkAppendDurable(b *testing.B) {
	for name, verdict := range map[string]Verdict{"deny": Deny, "allow": Allow} {
		b.Run(name+"/"+fileSystem(b), func(b *testing.B) {
			ctx := context.Background()
			l, err := Open(ctx, b.TempDir(), Options{MaxBytes: 1 << 30})
			check(b, err)
			d := shortDecision(verdict)
			cpu := cpuTime(b)
			for b.Loop() {
				for errors.Is(l.Append(d), ErrQueueFull) {
					time.Sleep(100 * time.Microsecond)
				}
				d.KSeq++
			}
			check(b, l.Flush(ctx))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/1e3/float64(b.N), "cpu-us/record")
			b.StopTimer()
			check(b, l.Close(ctx))
		})
	}
}

// BenchmarkSteady is what a thousand records a second cost, in percent of a core:
// denials, each of which is committed at once.
func BenchmarkSteady(b *testing.B) {
	for name, verdict := range map[string]Verdict{"deny": Deny, "allow": Allow} {
		b.Run(name+"/"+fileSystem(b), func(b *testing.B) {
			ctx := context.Background()
			l, err := Open(ctx, b.TempDir(), Options{})
			check(b, err)
			d := shortDecision(verdict)
			cpu := cpuTime(b)
			// A hundred times a second ten, as a reader finds them in the ring.
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			n := 0
			for b.Loop() {
				if n++; n%10 == 0 {
					<-tick.C
				}
				check(b, l.Append(d))
				d.KSeq++
			}
			check(b, l.Flush(ctx))
			used := cpuTime(b) - cpu
			// Of the time that the records stand for: a late tick makes nothing cheaper.
			b.ReportMetric(100*used.Seconds()/(float64(b.N)/1000), "%core")
			b.StopTimer()
			check(b, l.Close(ctx))
		})
	}
}

// shortDecision makes a line of 500 bytes, give or take those of the numbers.
func shortDecision(v Verdict) *Decision {
	return &Decision{
		Verdict: v, Action: "file.read", Hook: "file_open", KSeq: 1, KernelTime: 3_600_000_000_000, Subject: []byte("/etc/x"),
		Rule: "r", Process: Process{PID: 4711, TID: 4711, StartTime: 3_599_000_000_000},
	}
}

func TestShortDecisionIsShort(t *testing.T) {
	body, err := appendBody(nil, shortDecision(Deny))
	check(t, err)
	mid, err := commonMembers("cd1245c5-2d1c-459e-8e71-6a71496554e8", Node{"node", "node"}, "standalone/node/a5b3c37ff556723c")
	check(t, err)
	a := appender{mid: mid}
	a.add(stamp{1_800_000_000_123_456_789, 3_600_000_000_000}, body)
	if n := len(a.buf) - 1; n < 500 {
		t.Errorf("%d bytes, and the benchmarks speak of 500", n)
	}
}

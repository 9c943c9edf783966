package auditcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// benchCluster is the cluster of logs that only measure: a log of anything else is
// not opened.
const benchCluster = "bench"

type bench struct {
	records int
	segment int64
	every   int
}

// BenchCommand writes a log to measure a disk. It is not an auditor's.
func BenchCommand() *cobra.Command {
	var b bench
	c := &cobra.Command{
		Use:   "bench DIR",
		Short: "Write a log of made-up records, to measure the disk that it is on",
		Long: `Writes records of 500 bytes into a log in DIR, as the agent writes denials: chained,
signed and synced, and says how many were durable in a second. DIR is new, or has the
log of an earlier bench, which goes on. It is not removed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return failed(b.run(c.Context(), c.OutOrStdout(), args[0]))
		},
	}
	f := c.Flags()
	f.IntVar(&b.records, "records", 500_000, "how many")
	f.Int64Var(&b.segment, "segment-bytes", 0, "length of a segment (default: as the agent has it)")
	f.IntVar(&b.every, "flush-every", 0, "wait after so many until they are durable, and say how many are (default: at the end)")
	return c
}

func (b bench) run(ctx context.Context, w io.Writer, dir string) (err error) {
	l, err := audit.Open(ctx, dir, audit.Options{Cluster: benchCluster, SegmentBytes: b.segment, MaxBytes: 1 << 40})
	if err != nil {
		return err
	}
	began := time.Now()
	load := &audit.AgentStart{LoadID: fmt.Sprintf("bench-%d", began.UnixNano())}
	n := uint64(0)
	err = l.Append(load)
	for n < uint64(b.records) && err == nil {
		n++
		if err = appendWaiting(l, benchRecord(n)); err == nil && b.every > 0 && n%uint64(b.every) == 0 {
			if err = l.Flush(ctx); err == nil {
				_, err = fmt.Fprintf(w, "%d durable\n", n)
			}
		}
	}
	if err == nil {
		err = l.Flush(ctx)
	}
	took := time.Since(began)
	var last []audit.Record
	if err == nil {
		last = []audit.Record{&audit.AgentStop{Reason: "bench ended", CPUs: []audit.CPUCounters{{Seq: n, Emitted: n}}}}
	}
	if err = errors.Join(err, l.Close(context.WithoutCancel(ctx), last...)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d records durable in %s on %s: %.0f a second\n", n, took.Round(time.Millisecond), fileSystem(dir), float64(n)/took.Seconds())
	return err
}

// appendWaiting waits while the log's queue is full.
func appendWaiting(l *audit.Log, r audit.Record) error {
	for {
		err := l.Append(r)
		if !errors.Is(err, audit.ErrQueueFull) {
			return err
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// benchRecord makes a line of about 500 bytes.
func benchRecord(n uint64) *audit.Decision {
	return &audit.Decision{
		Verdict: audit.Deny, Action: "file.read", Hook: "file_open", KSeq: n, KernelTime: 3_600_000_000_000, Subject: []byte("/etc/x"),
		Rule: "r", Process: audit.Process{PID: 4711, TID: 4711, StartTime: 3_599_000_000_000},
	}
}

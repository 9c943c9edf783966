package auditforge

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// clock is a machine whose time goes on when it is told to.
type clock struct {
	mu   sync.Mutex
	at   time.Duration
	boot string
}

func (c *clock) BootID() (string, error) { return c.boot, nil }
func (c *clock) Boottime() time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return time.Hour + c.at }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Unix(1_800_000_000, 0).Add(c.at)
}

func (c *clock) goOn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at += d
}

// Base says what a log that is to be attacked is like.
type Base struct {
	Decisions int
	// Rotate is the size of segments in bytes; 0: one segment. Keep, if set, is
	// how many bytes of them retention keeps.
	Rotate, Keep int64
	// Torn: the writer dies once in the middle of a write.
	Torn bool
	// Gap: one decision is never written nor declared lost.
	Gap bool
}

// Write makes a log with the real writer: a start, decisions two to a commit,
// which come three seconds apart, between them heartbeats with the kernel's
// counters, a stop.
func (b Base) Write(ctx context.Context, dir string) error {
	c := &clock{boot: "5d4f6a0e-1111-4222-8333-444455556666"}
	// Nothing is committed but with a record that cannot wait: where the commits are does
	// not depend on how busy the machine is.
	opts := audit.Options{Delay: time.Hour, Machine: c, Cluster: "vectors", Node: audit.Node{Name: "node-1", UID: "8b0b1c9e"}, SegmentBytes: b.Rotate, MaxBytes: b.Keep}
	w := &writer{dir: dir, opts: opts, clock: c, gap: b.Gap}
	if err := w.open(ctx); err != nil {
		return err
	}
	for n := 1; n <= b.Decisions; n++ {
		if err := w.decision(ctx, n, n%2 == 0); err != nil {
			return err
		}
		if b.Torn && n == b.Decisions/2 {
			if err := w.tear(ctx); err != nil {
				return err
			}
		}
	}
	return w.close(ctx, &audit.AgentStop{Reason: "done", CPUs: w.counters()})
}

type writer struct {
	dir   string
	opts  audit.Options
	clock *clock
	log   *audit.Log
	last  uint64 // kernel sequence number
	gap   bool
}

func (w *writer) open(ctx context.Context) (err error) {
	if w.log, err = audit.Open(ctx, w.dir, w.opts); err != nil {
		return err
	}
	start := &audit.AgentStart{Version: "1.0", Kernel: "6.12.0", PID: 41, LoadID: "load-1"}
	if w.last > 0 {
		start.Adopted = true
	}
	if err := w.log.Append(start); err != nil {
		return err
	}
	return w.log.Flush(ctx)
}

// decision writes one of the kernel's. The second of two is a denial, which is
// committed at once: all that is to be in its commit is appended before it.
func (w *writer) decision(ctx context.Context, n int, flush bool) error {
	if flush {
		if err := w.log.Append(&audit.Heartbeat{CPUs: w.counters()}); err != nil {
			return err
		}
		w.clock.goOn(3 * time.Second)
		if w.opts.MaxBytes > 0 {
			w.clock.goOn(time.Minute) // retention looks once a minute
		}
	}
	w.last++
	if w.gap && n == 3 {
		return nil
	}
	d := &audit.Decision{
		Verdict: audit.Deny, Action: "file.read", Hook: "file_open", KSeq: w.last, KernelTime: uint64(w.clock.Boottime()), Subject: fmt.Appendf(nil, "/etc/secret-%d", n),
		Class: "root", Rule: "no-secrets", RuleNumber: 3, Errno: 13, CgroupID: 815,
		Process: audit.Process{PID: 4711, TID: 4711, StartTime: 3_599_000_000_000, UID: 1000, Comm: []byte("cat"), Exe: []byte("/bin/cat")},
		Policy:  audit.Policy{Name: "reference", SourceHash: audit.Hash{1}, TableHash: audit.Hash{2}},
	}
	if !flush {
		d.Verdict = audit.WouldDeny
		d.Errno = 0
	}
	if err := w.log.Append(d); err != nil || !flush {
		return err
	}
	return w.log.Flush(ctx)
}

func (w *writer) counters() []audit.CPUCounters {
	return []audit.CPUCounters{{Seq: w.last, Emitted: w.last}}
}

func (w *writer) close(ctx context.Context, last ...audit.Record) error {
	return w.log.Close(ctx, last...)
}

// tear closes the log and leaves behind what a crash in the middle of a write
// does; the next start repairs it.
func (w *writer) tear(ctx context.Context) error {
	if err := w.close(ctx); err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(w.dir, "*.jsonl"))
	if err != nil || len(found) == 0 {
		return fmt.Errorf("no segment: %w", err)
	}
	name := slices.Max(found)
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, append(data, `{"v":2,"seq":`...), 0o600); err != nil {
		return err
	}
	w.clock.goOn(time.Minute)
	return w.open(ctx)
}

// Bases are the logs that the vectors are made from, by their names.
func Bases() map[string]Base {
	return map[string]Base{
		"plain":   {Decisions: 6},
		"rotated": {Decisions: 6, Rotate: 6000},
		"removed": {Decisions: 14, Rotate: 6000, Keep: 22_000},
		"torn":    {Decisions: 6, Torn: true},
		"gap":     {Decisions: 6, Gap: true},
		"other":   {Decisions: 6},
	}
}

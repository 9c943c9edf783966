// SPDX-License-Identifier: MIT

package audit

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// killedWriter is the child of TestKilledWriter. Its standard input is the
// kernel's ring: numbers in order, which it takes out and records. It says how
// many are durable now and then, until it is killed or the ring has ended.
func killedWriter(dir string) error {
	ctx := context.Background()
	l, err := Open(ctx, dir, Options{SegmentBytes: 256 << 10, MaxBytes: 2 << 20})
	if err != nil {
		return err
	}
	start := &AgentStart{LoadID: "load-1"}
	if err := l.Append(start); err != nil {
		return err
	}
	var lost []SeqRange
	var last uint64
	for _, c := range l.Found().CPUs {
		lost, last = c.Missing, c.Last
	}
	ring := bufio.NewReaderSize(os.Stdin, 512)
	for i := 0; ; i++ {
		var b [8]byte
		if _, err := io.ReadFull(ring, b[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		n := binary.LittleEndian.Uint64(b[:])
		if n > last+1 { // taken by a writer that did not live to write them
			lost = append(lost, SeqRange{last + 1, n - 1})
		}
		last = n
		for err = l.Append(decision(n)); errors.Is(err, ErrQueueFull); err = l.Append(decision(n)) {
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			if err := l.Append(&Loss{Reason: "agent-restart", Ranges: lost}); err != nil {
				return err
			}
			lost = nil
		}
		if i%500 == 100 {
			if err := l.Append(&Heartbeat{CPUs: []CPUCounters{{Seq: n}}}); err != nil {
				return err
			}
		}
		if i%1000 == 999 {
			if err := l.Flush(ctx); err != nil {
				return err
			}
			fmt.Println(i + 1)
		}
	}
	return l.Close(ctx, &AgentStop{CPUs: []CPUCounters{{Seq: last, Emitted: last}}})
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("AUDIT_TEST_KILLED_WRITER"); dir != "" {
		if err := killedWriter(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ring feeds numbers into a pipe, as the kernel does into its ring, until told to
// stop.
func ring(w *os.File, stop chan struct{}) (last uint64) {
	b := make([]byte, 0, 512)
	for {
		select {
		case <-stop:
			return last
		default:
		}
		b = b[:0]
		for range 64 {
			last++
			b = binary.LittleEndian.AppendUint64(b, last)
		}
		if _, err := w.Write(b); err != nil {
			return last
		}
	}
}

// writeUntilKilled runs a writer for a while and returns how many records it said
// to be durable.
func writeUntilKilled(t *testing.T, dir string, in *os.File, after time.Duration) (durable uint64, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AUDIT_TEST_KILLED_WRITER="+dir)
	cmd.Stdin = in
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	if after > 0 {
		time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil { // the last line may be half
			durable = n
		}
	}
	if err := cmd.Wait(); said.Len() > 0 || after == 0 && err != nil {
		return durable, fmt.Errorf("%w: %s", err, said.String())
	}
	return durable, nil
}

// Writers are killed at random under load while the kernel goes on numbering:
// what was acknowledged is there, and in the end every number is there or
// declared lost.
func TestKilledWriter(t *testing.T) {
	rounds := 12
	if long {
		rounds = 500
	}
	dir, ctx := t.TempDir(), t.Context()
	in, w, err := os.Pipe()
	check(t, err)
	stop, numbered := make(chan struct{}), make(chan uint64, 1)
	go func() { numbered <- ring(w, stop) }()
	var acked uint64
	for round := range rounds {
		durable, err := writeUntilKilled(t, dir, in, time.Duration(20+rand.IntN(150))*time.Millisecond)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		acked += durable
		if round%10 != 9 && round != 0 {
			continue
		}
		r, err := Verify(ctx, dir, VerifyOptions{Unanchored: true})
		if errors.Is(err, ErrNoLog) && acked == 0 {
			continue // on a busy machine it died before the log was born
		}
		check(t, err)
		if r.Bad != nil || r.Balance.Unexplained > 0 || r.Balance.Seen < acked {
			t.Fatalf("round %d: exit %d, %+v, %d durable, balance %+v", round, r.ExitCode(), r.Bad, acked, r.Balance)
		}
	}
	close(stop)
	// The last writer reads the ring to its end.
	var last uint64
	ended := make(chan error, 1)
	go func() {
		last = <-numbered
		ended <- w.Close()
	}()
	if _, err := writeUntilKilled(t, dir, in, 0); err != nil {
		t.Fatal(err)
	}
	check(t, <-ended)
	r, err := Verify(ctx, dir, VerifyOptions{Unanchored: true})
	check(t, err)
	b := r.Balance
	if r.ExitCode() != ExitProven || b.Unexplained != 0 || b.Open != 0 || b.Repeated != 0 || b.Seen+b.Declared != last {
		t.Errorf("exit %d, %+v, %d numbered, balance %+v", r.ExitCode(), r.Bad, last, b)
	}
	t.Logf("%d kills: %d numbers, %d recorded, %d declared lost, %d segments, from record %d", rounds, last, b.Seen, b.Declared, len(r.Segments), r.FirstSeq)
}

// SPDX-License-Identifier: MIT

package audit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// killedWriter is the child of TestKilledWriter: it says how many records are
// durable whenever it knows, until it is killed.
func killedWriter(dir string) {
	ctx := context.Background()
	l, err := Open(ctx, dir, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for n := uint64(1); ; n++ {
		if err := l.Append(decision(n)); err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		if n%100 == 0 {
			fmt.Println(l.Stats().Durable)
		}
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("AUDIT_TEST_KILLED_WRITER"); dir != "" {
		killedWriter(dir)
	}
	os.Exit(m.Run())
}

// What was acknowledged before a SIGKILL is in the log after it, and the next
// writer goes on.
func TestKilledWriter(t *testing.T) {
	rounds := 5
	if long {
		rounds = 100
	}
	dir, ctx := t.TempDir(), context.Background()
	var atLeast uint64
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "AUDIT_TEST_KILLED_WRITER="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		time.AfterFunc(time.Duration(30+7*round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		var durable uint64
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if durable, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
				break // the last line may be half
			}
		}
		_ = cmd.Wait() // killed
		atLeast += durable
		r, err := Verify(ctx, dir, VerifyOptions{Unanchored: true})
		if errors.Is(err, ErrNoLog) && atLeast == 0 {
			continue // on a busy machine it died before the log was born
		}
		check(t, err)
		if r.Bad != nil || r.Verdicts["deny"] < atLeast {
			t.Fatalf("round %d: %d denies, at least %d were durable; %+v", round, r.Verdicts["deny"], atLeast, r.Bad)
		}
		l, err := Open(ctx, dir, Options{})
		check(t, err)
		check(t, l.Close(ctx))
		r, err = Verify(ctx, dir, VerifyOptions{Unanchored: true})
		check(t, err)
		if r.ExitCode() != ExitProven {
			t.Fatalf("round %d: exit %d after reopening", round, r.ExitCode())
		}
		atLeast = r.Verdicts["deny"]
	}
}

// SPDX-License-Identifier: MIT

package audit

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A real file system of two megabytes, which something else fills: the log waits,
// goes on when that is gone, and what it refused is declared.
func TestFullFileSystem(t *testing.T) {
	const child = "AUDIT_TEST_SMALL_DISK"
	if os.Getenv(child) == "" {
		// In a user namespace of its own anybody may mount one.
		cmd := exec.Command(os.Args[0], "-test.run=^TestFullFileSystem$", "-test.timeout=5m", "-test.v")
		cmd.Env = append(os.Environ(), child+"="+t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	disk := os.Getenv(child)
	check(t, unix.Mount("none", disk, "tmpfs", 0, "size=2m"))
	defer func() { check(t, unix.Unmount(disk, 0)) }()
	dir := filepath.Join(disk, "log")
	l, err := Open(t.Context(), dir, Options{MaxBytes: 1 << 30, QueueRecords: 500})
	check(t, err)
	check(t, l.Append(&AgentStart{LoadID: "load-1"}))
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	var refused []SeqRange
	n := uint64(0)
	for len(refused) < 20 {
		n++
		switch err := l.Append(decision(n)); {
		case errors.Is(err, ErrQueueFull) && l.Stats().Failing == nil:
			n--
			time.Sleep(time.Millisecond)
		case errors.Is(err, ErrQueueFull):
			refused = append(refused, SeqRange{n, n})
		default:
			check(t, err)
		}
	}
	if s := l.Stats(); !isFull(s.Failing) {
		t.Fatalf("%+v", s)
	}
	check(t, os.Remove(filler))
	check(t, l.Flush(t.Context()))
	check(t, l.Append(&Loss{Reason: "queue-full", Ranges: refused}))
	check(t, l.Close(t.Context(), &AgentStop{Reason: "done", CPUs: []CPUCounters{{Seq: n}}}))
	r, err := Verify(t.Context(), dir, VerifyOptions{Unanchored: true})
	check(t, err)
	if b := r.Balance; r.ExitCode() != ExitProven || b.Seen+20 != n || b.Declared != 20 || r.Kinds[KindRecovery] == 0 {
		t.Errorf("exit %d, %+v, %d numbers, balance %+v, %v", r.ExitCode(), r.Bad, n, b, r.Kinds)
	}
}

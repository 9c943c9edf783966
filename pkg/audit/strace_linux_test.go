// SPDX-License-Identifier: MIT

package audit

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// injected are the system calls with which the writer changes the disk, and how
// often each is made to fail in turn. Writes are met by way of vfs only: a
// process writes other things too.
var injected = map[string]int{
	"fdatasync": 8, "fsync": 16, "renameat": 12, "unlinkat": 16, "ftruncate": 1, "flock": 1, "mkdirat": 1, "pwrite64": 6,
}

// A writer of which strace makes one system call fail, each in turn, on a real
// file system: what it numbered is there or declared lost, and the next writer
// goes on.
func TestInjectedSystemCalls(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is missing: make deps")
	}
	const numbers = 2500
	feed := func(from uint64) string {
		var b []byte
		for n := from; n < from+numbers; n++ {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		return string(b)
	}
	run := func(dir, numbers string, wrap ...string) error {
		argv := append(wrap, os.Args[0])
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "AUDIT_TEST_KILLED_WRITER="+dir)
		cmd.Stdin = strings.NewReader(numbers)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	failed := 0
	for call, times := range injected {
		step := 3
		if long {
			step = 1
		}
		for when := 1; when <= times; when += step {
			dir := t.TempDir()
			what := fmt.Sprintf("%s %d", call, when)
			err := run(dir, feed(1), strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:error=EIO:when=%d", call, when))
			if err != nil {
				failed++ // before the log was open; then nothing was acknowledged
			}
			if err := run(dir, feed(numbers+1)); err != nil {
				t.Errorf("%s: the next writer: %v", what, err)
				continue
			}
			r, err := Verify(t.Context(), dir, VerifyOptions{Unanchored: true})
			check(t, err)
			if b := r.Balance; r.ExitCode() != ExitProven || b.Unexplained != 0 || b.Open != 0 || b.Seen+b.Declared != 2*numbers {
				t.Errorf("%s: exit %d, %+v, balance %+v", what, r.ExitCode(), r.Bad, b)
			}
		}
	}
	t.Logf("%d writers could not begin", failed)
}

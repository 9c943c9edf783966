package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// injected are the system calls with which a log changes its disk, and up to which
// time each is made to fail. Of those of the whole program write is the only one
// that it uses for other things as well.
var injected = map[string]int{
	"fdatasync": 12, "fsync": 24, "renameat": 16, "unlinkat": 20, "ftruncate": 2, "flock": 2, "mkdirat": 2, "pwrite64": 8, "openat": 60, "write": 60,
}

// The program itself, of which strace makes one system call of append, seal and
// recovery fail, each in turn: nothing that it called durable is gone, and the next
// one goes on.
func TestInjectedIntoTheProgram(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("strace is missing: make deps")
	}
	program := filepath.Join(t.TempDir(), "node-agent")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const records = 400
	argv := func(dir string) []string {
		return []string{program, "audit", "bench", "--records", fmt.Sprint(records), "--segment-bytes", "65536", "--flush-every", "50", dir}
	}
	// durable runs it and returns what it said to be durable.
	durable := func(argv []string) (n uint64, err error) {
		var out, say bytes.Buffer
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdout, cmd.Stderr = &out, &say
		if err = cmd.Run(); err != nil {
			err = fmt.Errorf("%w: %s", err, say.Bytes())
		}
		for line := range bytes.Lines(out.Bytes()) {
			var said uint64
			if _, err := fmt.Sscanf(string(line), "%d durable\n", &said); err == nil {
				n = said
			}
		}
		return n, err
	}
	// A log of two segments with a tear, which the program has to repair first.
	torn := filepath.Join(t.TempDir(), "log")
	if _, err := durable(argv(torn)); err != nil {
		t.Fatal(err)
	}
	tear(t, torn)
	step, failures := 7, 0
	switch {
	case os.Getenv("SAFECLAW_LONG") != "" && !testing.Short():
		step = 1
	case testing.Short():
		step = 16
	}
	for call, most := range injected {
		for when := 1; when <= most; when += step {
			for _, before := range []string{"", torn} {
				what := fmt.Sprintf("%s %d, log %q", call, when, filepath.Base(before))
				dir := filepath.Join(t.TempDir(), "log")
				had := uint64(0)
				if before != "" {
					if err := os.CopyFS(dir, os.DirFS(before)); err != nil {
						t.Fatal(err)
					}
					had = records
				}
				wrap := []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:error=EIO:when=%d", call, when)}
				said, err := durable(append(wrap, argv(dir)...))
				if err != nil {
					failures++
				}
				if _, err := durable(argv(dir)); err != nil {
					t.Errorf("%s: the next one: %v", what, err)
					continue
				}
				r, err := audit.Verify(t.Context(), dir, audit.VerifyOptions{Unanchored: true})
				if err != nil {
					t.Fatal(err)
				}
				if r.ExitCode() != audit.ExitProven || r.Kinds[audit.KindDecision] < had+said+records || r.Balance.Unexplained != 0 {
					t.Errorf("%s: %d durable before; exit %d, %+v, %d decisions, %+v", what, had+said, r.ExitCode(), r.Bad, r.Kinds[audit.KindDecision], r.Balance)
				}
			}
		}
	}
	t.Logf("%d of the programs ended with an error", failures)
	if failures == 0 {
		t.Error("nothing was injected")
	}
}

// tear leaves half of a record at the end of a log, as a crash does.
func tear(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(names) < 2 {
		t.Fatalf("%v, %v", names, err)
	}
	f, err := os.OpenFile(names[len(names)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(`{"v":2,"seq":12`)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

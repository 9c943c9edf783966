// SPDX-License-Identifier: MIT

// Package runtimes starts real language runtimes gated, in container roots that
// the program disk beside it makes, and wants the baselines to be enough for
// them: no denial, and the same output as ungated.
package runtimes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	nodeAgent = "/usr/bin/node-agent"
	disk      = "/demo-root"
)

// path is the search path of both roots, as container images set it.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// roots are what is on the disk, and what runs in each.
var roots = []struct {
	name     string
	programs []string
}{
	{"debian", []string{"python", "node", "java", "shell", "go-static", "go-dynamic"}},
	{"musl", []string{"python", "shell", "go-static", "go-dynamic"}},
}

// ways are under which baseline programs start, and how else they are met.
var ways = []struct {
	name, policy, user string
	overlay            bool
}{
	{"image", "version: 1\nbaseline: image\n", "0", true},
	// The programs' own code is no part of a language runtime.
	{"runtime", "version: 1\nbaseline: runtime\nrules:\n  - {id: code, action: file.read, path: /app/**, decision: allow}\n", "1000:1000", false},
}

// TestStart: start-up needs nothing but the baseline.
func TestStart(t *testing.T) {
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Skip("guest only: runs programs gated")
	}
	for _, r := range roots {
		root := filepath.Join(disk, r.name)
		want := ungated(t, root, r.programs)
		if n := strings.Count(want, "\nexit 0\n"); n != len(r.programs) {
			t.Fatalf("%s: %d programs of %d run ungated:\n%s", r.name, n, len(r.programs), want)
		}
		for _, w := range ways {
			t.Run(r.name+"/"+w.name, func(t *testing.T) {
				root := root
				if w.overlay {
					root = overlay(t, root)
				}
				dir := t.TempDir()
				pol, log := dir+"/policy.yaml", dir+"/log"
				if err := os.WriteFile(pol, []byte(w.policy), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(nodeAgent, append([]string{"run", "--policy", pol, "--log", log, "--root", root, "--user", w.user,
					"--env", "LANG=C.UTF-8", "--", "/app/start.sh"}, r.programs...)...)
				var out, said bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &said
				if err := cmd.Run(); err != nil {
					t.Errorf("%v\n%s", err, &said)
				}
				if out.String() != want {
					t.Errorf("gated:\n%s\nungated:\n%s", &out, want)
				}
				started := zeroDenials(t, log)
				for _, p := range r.programs {
					if exe := executables[p]; exe != "" && !slices.ContainsFunc(started, func(s string) bool { return strings.HasPrefix(s, exe) }) {
						t.Errorf("the log has no start of %s; it has %q", exe, started)
					}
				}
			})
		}
	}
}

// executables begin the names of the files that the programs' starts resolve to.
var executables = map[string]string{
	"python": "/usr/bin/python3.", "node": "/usr/bin/node", "java": "/usr/lib/jvm/", "go-static": "/app/go-static", "go-dynamic": "/app/go-dynamic",
}

// ungated is what the programs say without node-agent. They see the guest's
// own /proc and devices, which are the same to them.
func ungated(t *testing.T, root string, programs []string) string {
	t.Helper()
	for _, d := range []string{"/proc", "/dev"} {
		if err := unix.Mount(d, root+d, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := unix.Unmount(root+d, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}()
	}
	cmd := exec.Command("/app/start.sh", programs...)
	cmd.Env = []string{path, "LANG=C.UTF-8"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ungated: %v\n%s", err, out)
	}
	return string(out)
}

func overlay(t *testing.T, lower string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	merged := dir + "/merged"
	if err := unix.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%[2]s/upper,workdir=%[2]s/work", lower, dir)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(merged, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return merged
}

// zeroDenials names each action that the log says was denied, or lost, and
// returns what was executed.
func zeroDenials(t *testing.T, log string) (started []string) {
	t.Helper()
	out, err := exec.Command(nodeAgent, "audit", "verify", "--unanchored", "-o", "json", log).Output()
	if err != nil {
		t.Fatalf("audit verify: %v\n%s", err, out)
	}
	var rep struct {
		Balance struct{ Declared, Unexplained uint64 }
	}
	names, gerr := filepath.Glob(log + "/*.jsonl")
	if err := errors.Join(json.Unmarshal(out, &rep), gerr); err != nil || len(names) == 0 {
		t.Fatalf("%v, %d segments", err, len(names))
	}
	// Of a decision that was lost nobody can say that it was no denial.
	if rep.Balance.Declared != 0 || rep.Balance.Unexplained != 0 {
		t.Errorf("%d decisions are declared lost, %d unexplained", rep.Balance.Declared, rep.Balance.Unexplained)
	}
	decisions := 0
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		for l := range bytes.Lines(b) {
			var r struct {
				Kind, Verdict, Action, Subject, Rule, Hook string
				Process                                    struct{ Exe string }
			}
			if err := json.Unmarshal(l, &r); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			if r.Kind != "decision" && r.Kind != "counted" {
				continue
			}
			decisions++
			switch {
			case strings.HasSuffix(r.Verdict, "deny"):
				t.Errorf("%s %s %s by %s (rule %s, hook %s)", r.Verdict, r.Action, r.Subject, r.Process.Exe, r.Rule, r.Hook)
			case r.Action == "process.exec" && r.Rule == "entrypoint":
				started = append(started, r.Subject)
			}
		}
	}
	t.Logf("%d records", decisions)
	return started
}

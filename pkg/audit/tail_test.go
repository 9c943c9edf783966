// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func tailMem(t *testing.T, m *memFS, opts TailOptions) string {
	t.Helper()
	opts.FS = m
	var b bytes.Buffer
	check(t, Tail(t.Context(), "log", opts, &b))
	return b.String()
}

func TestTailPrintsTheLastRecords(t *testing.T) {
	files, _ := sampleLog(t, 400, 7)
	m := newMemFS(files)
	if got := strings.Count(tailMem(t, m, TailOptions{N: -1}), "shadow-"); got != 400 {
		t.Errorf("all: %d decisions", got)
	}
	out := tailMem(t, m, TailOptions{N: 3})
	if !strings.Contains(out, "shadow-400 ") || !strings.Contains(out, "shadow-399 ") || strings.Contains(out, "shadow-398 ") || strings.Contains(out, "commit") {
		t.Errorf("last three:\n%s", out)
	}
	for _, want := range []string{"would-deny", "file.read", "/usr/bin/python3.12[4711]", "no-secrets", "system credentials"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for line := range strings.Lines(tailMem(t, m, TailOptions{N: 5, JSON: true, All: true})) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if err := Tail(t.Context(), "log", TailOptions{FS: newMemFS(nil)}, &bytes.Buffer{}); !errors.Is(err, ErrNoLog) {
		t.Errorf("no log: %v", err)
	}
}

func TestTailSaysWhatTheOffSwitchDid(t *testing.T) {
	m := newMemFS(nil)
	l := openMem(t, m)
	d := decision(1)
	d.Verdict, d.Errno, d.Disabled = WouldDeny, 0, true
	for _, r := range []Record{
		&OffSwitch{At: 1e9, CgroupID: 77, Until: 91e9, UID: 3, PID: 4, Comm: []byte("node-agent"), Reason: "an outage"},
		d,
		&OffSwitch{On: true, At: 91e9, CgroupID: 77, Expired: true, Reason: "expired"},
		&OffSwitch{At: 1, Until: 1 + 1e9, Comm: []byte("x"), Reason: "all of it"},
	} {
		check(t, l.Append(r))
	}
	check(t, l.Close(t.Context()))
	out := tailMem(t, m, TailOptions{N: -1})
	for _, want := range []string{
		"disabled  cgroup 77 for 1m30s by node-agent[4] uid 3: an outage\n", "would-deny (off)", "enabled  cgroup 77: expired\n",
		"disabled  the node for 1s by x[0] uid 0: all of it\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if r := verifyMem(t, m); r.Kinds[KindDisabled] != 2 || r.Kinds[KindEnabled] != 1 || r.Verdicts["would-deny"] != 1 {
		t.Errorf("%v %v", r.Kinds, r.Verdicts)
	}
}

// What a program names its files reaches no terminal, neither from a log that
// this package wrote nor from one that somebody else did.
func TestTerminalIsSafe(t *testing.T) {
	m := newMemFS(nil)
	l := openMem(t, m)
	d := decision(1)
	d.Subject = []byte("/tmp/\x1b]0;owned\x07\x1b[2J\u009b31m\u202etxt.exe\r\n\x7f")
	d.Process.Exe = []byte("/bin/\x1b[31mls")
	check(t, l.Append(d))
	check(t, l.Close(t.Context()))
	files := m.snapshot()
	for name := range files {
		if segmentName.MatchString(name) {
			files[name] = append(files[name], []byte(`{"kind":"decision","subject":"`+"\x1b[31m"+`"}`+"\n\x1b[31m\u009b2J\n"+`{"kind":"\u001b[31m"}`+"\n")...)
		}
	}
	m = newMemFS(files)
	var report bytes.Buffer
	check(t, verifyMem(t, m).WriteText(&report, false))
	for _, out := range []string{tailMem(t, m, TailOptions{N: -1, All: true}), tailMem(t, m, TailOptions{N: -1, All: true, JSON: true}), report.String()} {
		for _, r := range out {
			if r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e) {
				t.Errorf("%U in %q", r, out)
			}
		}
	}
}

// syncBuffer is a buffer that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) waitFor(t *testing.T, want string) {
	t.Helper()
	for range 500 {
		s.mu.Lock()
		got := s.b.String()
		s.mu.Unlock()
		if strings.Contains(got, want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q never came", want)
}

func TestTailFollows(t *testing.T) {
	m := newMemFS(nil)
	l := openMem(t, m)
	check(t, l.Append(decision(1)))
	check(t, l.Flush(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	var out syncBuffer
	done := make(chan error)
	go func() { done <- Tail(ctx, "log", TailOptions{Follow: true, FS: m}, &out) }()
	out.waitFor(t, "shadow-1 ")
	check(t, l.Append(decision(2)))
	out.waitFor(t, "shadow-2 ")
	check(t, l.Close(t.Context()))
	m.mu.Lock() // a next segment, as rotation will make it
	m.files["log/"+segmentFile(99, "00000000000000ff")] = &memFile{fs: m, data: []byte(`{"kind":"decision","subject":"in the next segment"}` + "\n")}
	m.mu.Unlock()
	out.waitFor(t, "in the next segment")
	cancel()
	check(t, <-done)
}

func TestTailSaysWhatTheLogDid(t *testing.T) {
	for line, want := range map[string]string{
		`{"kind":"segment.sealed","segment":"aa","reason":"size","size":9,"root":"0123456789abcdef0"}`: "segment.sealed  aa for its size, 9 records, root 0123456789abcdef",
		`{"kind":"segment.removed","segment":"aa","base":5,"upto":9,"reason":"age"}`:                   "segment.removed  aa: records 5 to 8, for age",
		`{"kind":"checkpoint","seq":7,"note":"x"}`:                                                     "checkpoint  7 records signed for",
		`{"kind":"ship.acked","anchor":"k8s","size":7}`:                                                "ship.acked  k8s has 7 records",
		`{"kind":"ship.lagging","anchor":"k8s","size":7,"reason":"refused"}`:                           "ship.lagging  k8s has 7 records: refused",
		`{"kind":"clock.step","step":-3600000000000}`:                                                  "clock.step  the clock was moved by -1h0m0s",
		`{"kind":"policy.rejected","policy":{"name":"p"},"reason":"two errors"}`:                       "policy.rejected  p: two errors",
	} {
		r := parseRow([]byte(line))
		if got := r.text(false); !strings.Contains(got, want) {
			t.Errorf("%s: %q", line, got)
		}
	}
}

package auditcmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// run runs a command line and returns what it printed, the exit code and the
// error.
func run(t *testing.T, args ...string) (string, int, error) {
	t.Helper()
	var out bytes.Buffer
	c := &cobra.Command{Use: "audit", SilenceErrors: true, SilenceUsage: true}
	c.AddCommand(Commands(func(io.Writer) bool { return false })...)
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&out)
	err := c.ExecuteContext(t.Context())
	if err == nil {
		return out.String(), 0, nil
	}
	var e *ExitError
	if !errors.As(err, &e) {
		t.Fatalf("%v has no exit code", err)
	}
	return out.String(), e.Code, e.Err
}

// expect is run with an exit code that must come, and no error.
func expect(t *testing.T, code int, args ...string) string {
	t.Helper()
	out, got, err := run(t, args...)
	if got != code || err != nil {
		t.Fatalf("%v: exit %d, want %d; %v\n%s", args, got, code, err, out)
	}
	return out
}

// write is a log with n decisions.
func write(t *testing.T, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	l, err := audit.Open(t.Context(), dir, audit.Options{})
	check(t, err)
	for i := range n {
		check(t, l.Append(&audit.Decision{Verdict: audit.Deny, Action: "file.read", Hook: "file_open", KSeq: uint64(i + 1), Subject: fmt.Appendf(nil, "/srv/%d", i), Process: audit.Process{PID: 7}}))
		if i%3 == 2 {
			check(t, l.Flush(t.Context()))
		}
	}
	check(t, l.Close(t.Context()))
	return dir
}

// committed is the size and the root of the last commit, as an anchor.
func committed(t *testing.T, dir string) string {
	t.Helper()
	r, err := audit.Verify(t.Context(), dir, audit.VerifyOptions{})
	check(t, err)
	return fmt.Sprintf("%d:%s", r.Committed.Size, r.Committed.Root)
}

// segment is the path of the log's last segment.
func segment(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	check(t, err)
	if len(found) == 0 {
		t.Fatal("no segment")
	}
	return found[len(found)-1]
}

func file(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func TestVerdictsAreExitCodes(t *testing.T) {
	dir := write(t, 10)
	anchor := committed(t, dir)
	if out := expect(t, 2, "verify", dir); !strings.Contains(out, "UNANCHORED") {
		t.Error(out)
	}
	expect(t, 0, "verify", "--unanchored", dir)
	if out := expect(t, 0, "verify", "--anchor", anchor, dir); !strings.Contains(out, "PROVEN") || !strings.Contains(out, "Proven against "+anchor) {
		t.Error(out)
	}
	size, root, _ := strings.Cut(anchor, ":")
	for _, bad := range []string{size + ":" + strings.Repeat("00", 32), "9" + size + ":" + root, "3:" + root} {
		if out := expect(t, 1, "verify", "--anchor", bad, "--unanchored", dir); !strings.Contains(out, "TAMPERED") {
			t.Error(out)
		}
	}
	for _, wrong := range [][]string{
		{"verify"}, {"verify", dir, dir}, {"verify", "--anchor", "x:y", dir}, {"verify", "--anchor", "5:zz", dir}, {"verify", "--format", "x", dir}, {"verify", "-o", "yaml", dir},
		{"verify", filepath.Join(dir, "nothing")}, {"tail", t.TempDir()}, {"prove", dir, "x"}, {"prove", dir, "99999"}, {"check-proof", segment(t, dir)},
		{"consistency", anchor, anchor}, {"consistency", "--log", dir, "9:x", anchor}, {"cat"}, {"cat", "--no-such-flag"},
	} {
		if out, code, err := run(t, wrong...); code != exitFailed || err == nil {
			t.Errorf("%v: exit %d, %v\n%s", wrong, code, err, out)
		}
	}
	data, err := os.ReadFile(segment(t, dir))
	check(t, err)
	check(t, os.WriteFile(segment(t, dir), data[:len(data)-9], 0o600))
	if out := expect(t, 1, "verify", "--unanchored", dir); !strings.Contains(out, "cut back") {
		t.Error(out)
	}
	check(t, os.Remove(filepath.Join(dir, "head")))
	expect(t, 2, "verify", "--unanchored", dir)
	var r audit.Report
	check(t, json.Unmarshal([]byte(expect(t, 2, "verify", "-o", "json", dir)), &r))
	if r.Verdict != audit.Incomplete {
		t.Errorf("%+v", r)
	}
}

func TestCatPrintsWhatHolds(t *testing.T) {
	dir := write(t, 10)
	data, err := os.ReadFile(segment(t, dir))
	check(t, err)
	if out := expect(t, 0, "cat", dir); out != string(data) {
		t.Errorf("%d bytes, want %d", len(out), len(data))
	}
	lines := strings.SplitAfter(string(data), "\n")
	if out := expect(t, 0, "cat", "--from", "3", "--to", "5", dir); out != strings.Join(lines[3:6], "") {
		t.Error(out)
	}
	check(t, os.WriteFile(segment(t, dir), bytes.Replace(data, []byte("/srv/7"), []byte("/srv/8"), 1), 0o600))
	if out := expect(t, 1, "cat", dir); strings.Contains(out, "/srv/8") || !strings.Contains(out, "/srv/5") {
		t.Error(out)
	}
}

func TestARecordIsProvenWithoutTheLog(t *testing.T) {
	dir := write(t, 20)
	anchor := committed(t, dir)
	var record string
	for line := range strings.Lines(expect(t, 0, "cat", dir)) {
		if strings.Contains(line, "/srv/4\"") {
			record = line
		}
	}
	var at struct{ Seq uint64 }
	check(t, json.Unmarshal([]byte(record), &at))
	made := file(t, expect(t, 0, "prove", "--anchor", anchor, dir, fmt.Sprint(at.Seq)))
	out := expect(t, 0, "check-proof", "--anchor", anchor, made)
	if !strings.Contains(out, "PROVEN") || !strings.Contains(out, record) {
		t.Error(out)
	}
	if out := expect(t, 2, "check-proof", made); !strings.Contains(out, "UNANCHORED") {
		t.Error(out)
	}
	expect(t, 1, "check-proof", "--anchor", "7"+anchor[1:], made)
	text, err := os.ReadFile(made)
	check(t, err)
	expect(t, 1, "check-proof", "--anchor", anchor, file(t, strings.Replace(string(text), fmt.Sprintf("index %d", at.Seq), fmt.Sprintf("index %d", at.Seq+1), 1)))

	data, err := os.ReadFile(segment(t, dir))
	check(t, err)
	check(t, os.WriteFile(segment(t, dir), bytes.Replace(data, []byte("/srv/14"), []byte("/srv/15"), 1), 0o600))
	if _, code, err := run(t, "prove", dir, fmt.Sprint(at.Seq)); code != 1 || err == nil {
		t.Errorf("proven from a log that does not hold: %d, %v", code, err)
	}
}

func TestTwoCheckpointsOfOneLog(t *testing.T) {
	dir := write(t, 4)
	old := committed(t, dir)
	l, err := audit.Open(t.Context(), dir, audit.Options{})
	check(t, err)
	for range 20 {
		check(t, l.Append(&audit.Heartbeat{}))
	}
	check(t, l.Close(t.Context()))
	later := committed(t, dir)
	if out := expect(t, 0, "consistency", "--log", dir, old, later); !strings.Contains(out, "CONSISTENT") {
		t.Error(out)
	}
	made := file(t, expect(t, 0, "consistency", "-o", "json", "--log", dir, old, later))
	expect(t, 0, "consistency", "--proof", made, old, later)
	expect(t, 0, "consistency", "--log", dir, later, later)
	other := committed(t, write(t, 4))
	expect(t, 1, "consistency", "--proof", made, other, later)
	expect(t, 1, "consistency", "--log", dir, other, later)
	if _, code, err := run(t, "consistency", "--log", dir, later, old); code != exitFailed || err == nil {
		t.Errorf("a log that shrank: %d %v", code, err)
	}
}

func TestSafeClawsOwnLog(t *testing.T) {
	log := file(t, `{"toolName":"Read","prevHash":"GENESIS"}`+"\n")
	out := expect(t, 2, "verify", "--format", "safeclaw", log)
	if !strings.Contains(out, "cannot prove") {
		t.Error(out)
	}
	anchor := out[strings.LastIndex(out, " ")+1 : len(out)-1]
	expect(t, 0, "verify", "--format", "safeclaw", "--anchor", anchor, log)
	expect(t, 0, "verify", "--format", "safeclaw", "--unanchored", log)
	expect(t, 1, "verify", "--format", "safeclaw", "--anchor", "2"+anchor[1:], log)
	expect(t, 1, "verify", "--format", "safeclaw", "-o", "json", file(t, "{}\n{\"prevHash\":\"GENESIS\"}\n"))
	expect(t, 2, "verify", "--format", "safeclaw", file(t, ""))
}

func TestExportIsProvenBack(t *testing.T) {
	dir := write(t, 10)
	anchor := committed(t, dir)
	for _, line := range strings.Split(strings.TrimSpace(expect(t, 0, "export", "--kind", "decision", dir)), "\n") {
		var ev struct {
			RawData  string `json:"raw_data"`
			Unmapped struct {
				Seq      uint64
				LeafHash string `json:"leaf_hash"`
			}
		}
		check(t, json.Unmarshal([]byte(line), &ev))
		made := file(t, expect(t, 0, "prove", "--anchor", anchor, dir, fmt.Sprint(ev.Unmapped.Seq)))
		if out := expect(t, 0, "check-proof", "--anchor", anchor, made); !strings.Contains(out, ev.RawData) || audit.LeafHash([]byte(ev.RawData)).String() != ev.Unmapped.LeafHash {
			t.Errorf("record %d: %s", ev.Unmapped.Seq, out)
		}
	}
	if out := expect(t, 0, "export", "-f", "raw", dir); out != expect(t, 0, "cat", dir) {
		t.Error("raw is not what cat prints")
	}
	if out := expect(t, 0, "export", "-f", "csv", "--namespace", "prod", dir); strings.Count(out, "\n") != 1 {
		t.Errorf("records of no pod: %s", out)
	}
	if out := expect(t, 0, "export", "-f", "csv", "--from", "3", "--to", "4", dir); strings.Count(out, "\n") != 3 {
		t.Errorf("two records: %s", out)
	}
	if _, code, err := run(t, "export", "-f", "xml", dir); code != exitFailed || err == nil {
		t.Errorf("%d %v", code, err)
	}
}

func TestStats(t *testing.T) {
	dir := write(t, 10)
	if out := expect(t, 0, "stats", "--top", "2", dir); !strings.Contains(out, "deny") || strings.Count(out, "subjects /srv/") != 2 {
		t.Error(out)
	}
	var s stats
	check(t, json.Unmarshal([]byte(expect(t, 0, "stats", "-o", "json", dir)), &s))
	data, err := os.ReadFile(segment(t, dir))
	check(t, err)
	if s.Bytes != uint64(len(data)) || s.Verdicts["deny"] != 10 || s.Kinds["decision"] != 10 || len(s.Denied["subjects"]) != 10 {
		t.Errorf("%+v", s)
	}
}

func TestTallyIsBounded(t *testing.T) {
	c := tally{}
	for i := range 2 * maxNames {
		c.add(fmt.Sprint(i))
	}
	if len(c) != maxNames+1 || c.most(1)[0] != (named{"(others)", maxNames}) {
		t.Errorf("%d names", len(c))
	}
}

func TestTheBirthKey(t *testing.T) {
	dir := write(t, 3)
	var r audit.Report
	check(t, json.Unmarshal([]byte(expect(t, 2, "verify", "-o", "json", dir)), &r))
	if out := expect(t, 0, "verify", "--unanchored", "--key", r.Key, dir); !strings.Contains(out, "the one that was given") {
		t.Error(out)
	}
	expect(t, 0, "verify", "--unanchored", "--key", file(t, r.Key+"\n"), dir)
	if out := expect(t, 1, "verify", "--unanchored", "--key", r.Key, write(t, 3)); !strings.Contains(out, "another log") {
		t.Error(out)
	}
	if _, code, err := run(t, "verify", "--key", "nobody", dir); code != exitFailed || err == nil {
		t.Errorf("%d %v", code, err)
	}
	// The newest checkpoint, taken off the node, is an anchor and signs proofs.
	head := filepath.Join(dir, "head")
	expect(t, 0, "verify", "--anchor", head, dir)
	made := file(t, expect(t, 0, "prove", dir, "3"))
	if out := expect(t, 0, "check-proof", "--key", r.Key, made); !strings.Contains(out, "signed by "+r.Origin) {
		t.Error(out)
	}
	var other audit.Report
	check(t, json.Unmarshal([]byte(expect(t, 2, "verify", "-o", "json", write(t, 3))), &other))
	expect(t, 1, "check-proof", "--key", other.Key, made)
}

// What retention left proves its own records; a segment alone does too.
func TestProofsAfterRetention(t *testing.T) {
	dir := "../../test/auditforge/testdata/vectors/removed"
	anchor := committed(t, dir)
	lines := strings.Split(strings.TrimSpace(expect(t, 0, "cat", dir)), "\n")
	seq := func(line string) string {
		var r struct{ Seq uint64 }
		check(t, json.Unmarshal([]byte(line), &r))
		return fmt.Sprint(r.Seq)
	}
	if seq(lines[0]) == "0" {
		t.Fatal("nothing was removed")
	}
	for _, line := range []string{lines[0], lines[9], lines[len(lines)-2]} {
		made := file(t, expect(t, 0, "prove", "--anchor", anchor, dir, seq(line)))
		if out := expect(t, 0, "check-proof", "--anchor", anchor, made); !strings.Contains(out, line) {
			t.Errorf("record %s: %s", seq(line), out)
		}
	}
	if _, code, err := run(t, "prove", dir, "1"); code != exitFailed || err == nil || !strings.Contains(err.Error(), "not in the log") {
		t.Errorf("a record that is gone: %d %v", code, err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	check(t, err)
	records := strings.Split(expect(t, 0, "cat", segments[1]), "\n")
	made := file(t, expect(t, 0, "prove", segments[1], seq(records[3])))
	expect(t, 2, "check-proof", made)

	var old string
	for _, line := range lines {
		if text := checkpointIn([]byte(line)); text != "" {
			old = file(t, text)
			break
		}
	}
	expect(t, 0, "consistency", "--log", dir, old, anchor)
	if _, code, err := run(t, "consistency", "--log", dir, "2:"+strings.Repeat("00", 32), anchor); code == 0 || code == exitFailed && err == nil {
		t.Errorf("%d %v", code, err)
	}
}

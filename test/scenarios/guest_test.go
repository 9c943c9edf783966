package scenarios

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/test/gated"
)

// inGuest tells a guest, where enforcement is real, from a build machine. A
// guest that cannot enforce fails; nothing is skipped there.
func inGuest() bool { return os.Getenv("SAFECLAW_GUEST") == "1" }

// suite runs the scenarios, all under one load of the programs.
var suite gated.Suite

// TestEnforced runs every scenario for real, in a container on an overlay as
// runtimes make it, and on a plain root as well.
func TestEnforced(t *testing.T) {
	if !inGuest() {
		t.Logf("not in a guest: TestTables checks the scenarios; `make test-vm` runs them")
		return
	}
	listen(t)
	for _, s := range scenarios(t) {
		t.Run(s.name, func(t *testing.T) { s.enforce(t, false) })
		if !s.host {
			t.Run(s.name+"/overlay", func(t *testing.T) { s.enforce(t, true) })
		}
	}
}

// listen makes something to connect to: TCP and UDP on port 7777, a unix socket.
func listen(t *testing.T) {
	t.Helper()
	for _, a := range []string{"127.0.0.1:7777", "[::1]:7777"} {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
	}
}

// record is what a scenario looks at in the log.
type record struct {
	Kind, Verdict, Action, Subject, Rule, Hook string
	Errno                                      int
	Process                                    struct{ Exe, Comm string }
}

// enforce runs the scenario; on request its root is an overlay, as containers have.
func (s *scenario) enforce(t *testing.T, overlay bool) {
	dir := t.TempDir()
	o := agent.RunOptions{LogDir: filepath.Join(dir, "log")}
	mode := ""
	if s.observe {
		mode = "observe"
	}
	o.Tables = gated.Policy(t, s.policy, mode, !s.host)
	self := "/usr/local/bin/" + actName
	if s.host {
		self = filepath.Join(dir, actName)
		install(t, self)
		s.write(t, "", "")
	} else {
		root := filepath.Join(dir, "root")
		install(t, filepath.Join(root, self))
		copyTo(t, "/bin/busybox", filepath.Join(root, "bin/sh"))
		copyTo(t, "/bin/busybox", filepath.Join(root, "bin/busybox"))
		s.write(t, root, filepath.Join(dir, "volume"))
		if overlay {
			root = mountOverlay(t, dir, root)
		}
		o.Root = root
		for _, f := range s.files {
			if f.volume {
				o.Volumes = append(o.Volumes, agent.Volume{Source: filepath.Join(dir, "volume", f.path), Target: f.path})
			}
		}
	}
	o.Argv = append(append(o.Argv, s.via...), self)
	for _, st := range s.steps {
		o.Argv = append(o.Argv, st.line)
	}
	var said strings.Builder
	o.Denied = func(d *audit.Decision) {
		fmt.Fprintf(&said, "%s %s %s by %s (rule %s)\n", d.Verdict, d.Action, d.Subject, d.Process.Comm, d.Rule)
	}
	res := suite.Run(t, o)
	res.Ended(t, 0)
	ends := parseEnds(res.Output)
	recs := readLog(t, o.LogDir)
	for i, st := range s.steps {
		if ends[i] != st.end && (st.end != wouldDeny || ends[i] != "ok") {
			t.Errorf("%s: ended with %q, want %s", st.line, ends[i], st.end)
		}
		if st.rule != "" {
			s.checkRecord(t, st, recs)
		}
	}
	if t.Failed() {
		t.Logf("the program said:\n%s\ndenials:\n%s", res.Output, said.String())
	}
}

// checkRecord wants a record of the step with its rule and verdict.
func (s *scenario) checkRecord(t *testing.T, st stepSpec, recs []record) {
	t.Helper()
	want, errno := "allow", 0
	switch st.end {
	case "EACCES", killed:
		want, errno = "deny", 13
	case wouldDeny:
		want = wouldDeny
	}
	var near []string
	for _, r := range recs {
		if !matches(st, r) {
			continue
		}
		if r.Rule == st.rule && (r.Verdict == want || want == "allow" && r.Verdict == "audit") && (r.Kind == "counted" || r.Errno == errno) {
			return
		}
		near = append(near, fmt.Sprintf("%+v", r))
	}
	t.Errorf("%s: no record with verdict %s, rule %s, errno %d; records of that subject:\n%s", st.line, want, st.rule, errno, strings.Join(near, "\n"))
}

// matches: the record's subject is the step's last word, whatever the step is.
func matches(st stepSpec, r record) bool {
	last := st.words[len(st.words)-1]
	switch st.words[0] {
	case "connect":
		last += "/tcp"
	case "connect-udp":
		last += "/udp"
	case "exec":
		last = st.words[1]
	case "exec-memfd":
		return r.Action == "process.exec" && r.Subject == ""
	}
	return r.Subject == last
}

func parseEnds(out string) map[int]string {
	ends := map[int]string{}
	for sc := bufio.NewScanner(strings.NewReader(out)); sc.Scan(); {
		var i int
		if _, err := fmt.Sscanf(sc.Text(), "STEP %d", &i); err == nil {
			ends[i] = strings.SplitN(sc.Text(), " ", 3)[2]
		}
	}
	return ends
}

func readLog(t *testing.T, dir string) []record {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no segment in %s: %v", dir, err)
	}
	var out []record
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		for l := range bytes.Lines(b) {
			var r record
			if err := json.Unmarshal(l, &r); err != nil {
				t.Fatalf("line %s: %v", l, err)
			}
			if r.Kind == "decision" || r.Kind == "counted" {
				out = append(out, r)
			}
		}
	}
	return out
}

// write lays out the scenario's files below root, those of volumes below volume.
func (s *scenario) write(t *testing.T, root, volume string) {
	t.Helper()
	for _, f := range s.files {
		p := filepath.Join(root, f.path)
		if f.volume {
			p = filepath.Join(volume, f.path)
		}
		if f.mode&0o40000 != 0 {
			if err := os.MkdirAll(p, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(f.text), f.mode); err != nil {
			t.Fatal(err)
		}
	}
}

func mountOverlay(t *testing.T, dir, lower string) string {
	t.Helper()
	at := func(n string) string { return filepath.Join(dir, n) }
	for _, n := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(at(n), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, at("upper"), at("work"))
	if err := unix.Mount("overlay", at("merged"), "overlay", 0, opts); err != nil {
		t.Fatalf("mount overlay: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at("merged"), 0); err != nil {
			t.Errorf("unmount overlay: %v", err)
		}
	})
	return at("merged")
}

func install(t *testing.T, to string) {
	t.Helper()
	copyTo(t, "/proc/self/exe", to)
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(from, to); err != nil {
		t.Fatal(err)
	}
}

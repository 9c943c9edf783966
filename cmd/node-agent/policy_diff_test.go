package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares an output with a file of testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got); go test -update writes it anew:\n%s", file, d)
	}
}

func TestPolicyDiff(t *testing.T) {
	for _, tt := range []struct {
		older, newer string
		code         int
		golden       string
	}{
		{"old", "old", 0, "equal"},
		{"old", "new", exitBoth, "both"},
		{"new", "old", exitBoth, "back"},
	} {
		out, code := command(t, "", "policy", "diff", "testdata/diff/"+tt.older+".yaml", "testdata/diff/"+tt.newer+".yaml")
		if code != tt.code {
			t.Errorf("%s: exit %d, want %d", tt.golden, code, tt.code)
		}
		golden(t, filepath.Join("testdata/diff", tt.golden+".txt"), out)
	}
}

func TestPolicyDiffCodes(t *testing.T) {
	const rule = "  - {action: file.read, path: /data/**, decision: allow}\n"
	base := write(t, "version: 1\nrules:\n"+rule)
	for _, tt := range []struct {
		text string
		code int
		want string
	}{
		{"version: 1\nrules:\n" + rule + rule, 0, ""},
		{"version: 1\nrules:\n  - {action: file.read, path: {glob: [/data, /data/**, /data/x]}, decision: allow}\n", 0, ""},
		{"version: 1\nrules:\n" + strings.Replace(rule, "/data", "", 1), exitWider, "+ wider: file.read"},
		{"version: 1\n", exitNarrower, "- narrower: file.read /data"},
		{"version: 1\nrules:\n" + strings.Replace(rule, "data/", "dat/", 1), exitBoth, "file.read /dat "},
		{"version: 1\nrules:\n" + strings.Replace(rule, "allow", "audit", 1), exitBoth, "~ differs: file.read /data\n"},
		{"version: 1\nmode: observe\nrules:\n" + rule, exitWider, "+ wider: mode: enforce, now observe"},
		{"version: 1\nonAuditLoss: deny\nrules:\n" + rule, exitNarrower, "- narrower: onAuditLoss: continue, now deny"},
		{"version: 2\n", exitUsage, ""},
	} {
		out, code := command(t, tt.text, "policy", "diff", base, "-")
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit %d, want %d:\n%s", tt.text, code, tt.code, out)
		}
	}
	out, _ := command(t, "version: 1\n", "policy", "diff", "-o", "json", base, "-")
	var got diffResult
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	want := diffChange{"narrower", "file.read", "/data (on a mounted volume)", diffVerdict{true, true, "rules[0]", 3, "allow file.read path glob /data/**"},
		diffVerdict{Rule: "default", Text: "defaultAction: deny"}}
	if len(got.Changes) != 1 || got.Equal {
		t.Fatalf("%+v", got)
	}
	if d := cmp.Diff(want, got.Changes[0]); d != "" {
		t.Error(d)
	}
}

// An example names the executable, the command and the bound name where they
// matter, and only there.
func TestPolicyDiffConditions(t *testing.T) {
	older := write(t, "version: 1\nbaseline: none\nrules:\n"+
		"  - {id: push, action: process.exec, command: {startsWith: git push}, decision: deny}\n"+
		"  - {id: gits, action: process.exec, command: git **, decision: allow}\n"+
		"  - {id: pip, action: network.request, host: {endsWith: .pypi.example}, exe: /usr/bin/pip, decision: allow}\n")
	out, code := command(t, "version: 1\nbaseline: none\nrules:\n"+
		"  - {id: gits, action: process.exec, command: git **, decision: allow}\n"+
		"  - {id: pip, action: network.request, host: {endsWith: .pypi.example}, decision: allow}\n"+
		"  - {id: vi, action: file.write, path: /notes, exe: /usr/bin/vi, decision: allow}\n", "policy", "diff", older, "-")
	if code != exitWider {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{
		"process.exec /bin/git with arguments push\n",
		"resolve a.pypi.example by /",
		"as a.pypi.example by /",
		"file.write /notes by /bin/vi\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Count(out, "+ wider") != 5 { // the note may be written, and deleted
		t.Errorf("other differences:\n%s", out)
	}
}

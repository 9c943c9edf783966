package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func TestPolicyCompile(t *testing.T) {
	file, blob := write(t, good), filepath.Join(t.TempDir(), "p.bin")
	p, err := policy.Parse(file, []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	tables, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, code := command(t, "", "policy", "compile", file, "--stats", "--blob", blob)
	if code != 0 || !strings.Contains(out, "AUTOMATON") || !strings.Contains(out, "baseline/") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if got, err := os.ReadFile(blob); err != nil || !bytes.Equal(got, tables.Blob) {
		t.Errorf("%d bytes written: %v", len(got), err)
	}
	out, code = command(t, "", "policy", "compile", file, "--stats", "-o", "json")
	var r compiled
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("exit %d: %v", code, err)
	}
	if r.Bytes != len(tables.Blob) || r.SizeClass != policy.SmallTable || len(r.Automata) != 7 || len(r.Costs) < 10 || r.Rules != 1 {
		t.Errorf("%+v", r)
	}
	var lines int
	for _, c := range r.Costs {
		if c.Rule == "rules[0]" && c.Line == 3 {
			lines++
		}
	}
	if lines == 0 {
		t.Errorf("the policy's own rule costs nothing: %+v", r.Costs)
	}
	if out, code := command(t, "", "policy", "compile", file); code != 0 || strings.Contains(out, "AUTOMATON") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	for _, args := range [][]string{{"policy", "compile", write(t, bad)}, {"policy", "compile", file, "--baseline", "x"}, {"policy", "compile"}} {
		if _, code := command(t, "", args...); code != exitUsage {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func TestPolicyCheck(t *testing.T) {
	g, b := write(t, good), write(t, bad)
	out, code := command(t, "", "policy", "check", g)
	if code != 0 || !strings.HasPrefix(out, g+": ok: 1 rules, baseline image, table ") {
		t.Errorf("exit %d: %s", code, out)
	}
	out, code = command(t, "", "policy", "check", g, b)
	if code != exitUsage || !strings.Contains(out, b+": 2 error(s)") || !strings.Contains(out, g+": ok") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, want := range []string{b + ":3:13: ", `"file.raed"`, "file.read", b + ":5:15: ", `"alow"`, "allow"} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is missing in:\n%s", want, out)
		}
	}
	if out, code := command(t, good, "policy", "check", "-"); code != 0 || !strings.HasPrefix(out, "-: ok") {
		t.Errorf("standard input: exit %d: %s", code, out)
	}
	for _, args := range [][]string{
		{"policy", "check"}, {"policy", "check", "-o", "yaml", g}, {"policy", "check", filepath.Join(t.TempDir(), "none")}, {"policy", "chekc", g, "--what"},
	} {
		if _, code := command(t, "", args...); code != exitUsage {
			t.Errorf("%v: exit %d, want %d", args, code, exitUsage)
		}
	}
}

func TestPolicyCheckJSON(t *testing.T) {
	g, b := write(t, good), write(t, bad)
	out, code := command(t, "", "policy", "check", "-o", "json", g, b)
	if code != exitUsage {
		t.Errorf("exit %d", code)
	}
	var got []checkResult
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if len(got) != 2 {
		t.Fatalf("%d results", len(got))
	}
	p, err := policy.Parse(g, []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	tb, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := checkResult{File: g, OK: true, Rules: 1, Baseline: "image", Source: fmt.Sprintf("%x", tb.SourceHash), Table: fmt.Sprintf("%x", tb.Hash), TableSize: len(tb.Blob)}
	if d := cmp.Diff(want, got[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got[1].OK || len(got[1].Errors) != 2 || got[1].Table != "" {
		t.Fatalf("%+v", got[1])
	}
	if e := got[1].Errors[0]; e.Line != 3 || e.Col != 13 || e.Word != "file.raed" || !strings.Contains(e.Hint, "file.read") || e.Message == "" {
		t.Errorf("%+v", e)
	}
}

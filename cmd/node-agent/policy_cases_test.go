package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const cases = `policy: policy/agent.yaml
cases:
  - {action: file.read, path: /data/x, expect: allow, rule: "rules[0]"}
  - {name: "a <b>", action: file.read, path: /etc/shadow, expect: allow, rule: other}
`

func TestPolicyTest(t *testing.T) {
	dir := tree(t, map[string]string{"policy/agent.yaml": good, "bad.yaml": cases, "good.yaml": strings.Join(strings.Split(cases, "\n")[:3], "\n")})
	goodCases, badCases, xmlFile := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml"), filepath.Join(dir, "out.xml")
	out, code := command(t, "", "policy", "test", goodCases)
	if code != 0 || !strings.Contains(out, goodCases+": 1 cases, 0 failed") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	out, code = command(t, "", "policy", "test", "--junit", xmlFile, goodCases, badCases)
	if code != exitFindings || !strings.Contains(out, "FAIL  4     a <b>") || !strings.Contains(out, "default, not other") || !strings.Contains(out, ": 2 cases, 1 failed") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	src, err := os.ReadFile(xmlFile)
	if err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(src, &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 3 || got.Failures != 1 || len(got.Suites) != 2 {
		t.Errorf("%+v", got)
	}
	if c := got.Suites[1].Cases[1]; c.Name != "a <b>" || c.Line != 4 || c.Failure == nil || c.Failure.Message != "expected allow by other, got deny by default" {
		t.Errorf("%+v", c)
	}
	if got.Suites[1].Cases[0].Failure != nil {
		t.Error("a case that passed has a failure")
	}
	out, code = command(t, "", "policy", "test", "-o", "json", badCases)
	var suites []testSuite
	if err := json.Unmarshal([]byte(out), &suites); err != nil || code != exitFindings {
		t.Fatalf("exit %d: %v", code, err)
	}
	if s := suites[0]; s.Passed != 1 || s.Failed != 1 || s.Cases[1].OK || s.Cases[1].By != "default" || s.Table == "" {
		t.Errorf("%+v", s)
	}
}

func TestPolicyTestErrors(t *testing.T) {
	dir := tree(t, map[string]string{
		"p.yaml": good, "bad.yaml": bad, "f.yaml": "version: 1\nrules: [{action: file.read, path: /data/secret, decision: deny}]\n",
		"missing": "policy: none.yaml\ncases: [{action: file.read, path: /x, expect: deny}]\n",
		"wrong":   "policy: bad.yaml\ncases: [{action: file.read, path: /x, expect: deny}]\n",
		"cases":   "policy: p.yaml\ncases: [{action: file.raed, path: /x, expect: deny}]\n",
		"floored": "policy: p.yaml\nfloor: f.yaml\ncases: [{action: file.read, path: /data/secret, expect: deny, rule: 'floor/rules[0]'}]\n",
	})
	for _, name := range []string{"missing", "wrong", "cases", "none"} {
		if out, code := command(t, "", "policy", "test", filepath.Join(dir, name)); code != exitUsage {
			t.Errorf("%s: exit %d\n%s", name, code, out)
		}
	}
	if out, code := command(t, "", "policy", "test", filepath.Join(dir, "floored")); code != 0 {
		t.Errorf("exit %d\n%s", code, out)
	}
}

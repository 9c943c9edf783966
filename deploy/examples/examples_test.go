// SPDX-License-Identifier: MIT

// Package examples holds the example policies and the tests that keep them true.
package examples

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/casefile"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/lint"
)

// The reference policy is the one that pkg/policy promises to accept forever.
func TestReferencePolicyIsTheGoldenOne(t *testing.T) {
	const name = "safeclaw-policy.configmap.yaml"
	golden, err := os.ReadFile(filepath.Join("..", "..", "pkg", "policy", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(golden, example) {
		t.Errorf("%s differs from the copy in pkg/policy/testdata", name)
	}
}

// TestExamples: each example compiles to what this version enforces, lint has
// no complaint, and its cases are as expected; each of its rules decides one.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("found %d examples: %v", len(files), err)
	}
	suites := cases(t)
	for _, f := range files {
		t.Run(f, func(t *testing.T) {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			p, err := policy.Parse(f, src)
			if err != nil {
				t.Fatal(err)
			}
			tables, err := policy.Compile(p, policy.Options{DefaultBaseline: "image"})
			if err != nil {
				t.Fatal(err)
			}
			if len(tables.Needs) > 0 {
				t.Errorf("it needs %q, which nothing enforces yet", tables.Needs)
			}
			for _, l := range lint.Check(p, tables) {
				if l.Severity != lint.Info {
					t.Errorf("%s:%d:%d: %s: %s [%s]", f, l.Line, l.Col, l.Severity, l.Message, l.Code)
				}
			}
			suite := suites[f]
			if suite == nil {
				t.Fatal("no file of tests has cases for it")
			}
			decided := map[string]bool{}
			for _, r := range suite.Run(tables) {
				decided[r.By] = true
				if !r.Passed {
					t.Errorf("line %d: %s: %s by %s, expected %s by %s", r.Line, r.Name, r.Got, r.By, r.Expect, r.Rule)
				}
			}
			for i := range p.Rules {
				if name := p.Rules[i].Name(); !decided[name] {
					t.Errorf("no case is decided by %s", name)
				}
			}
		})
	}
}

// cases are the files of tests by the policy that they are about.
func cases(t *testing.T) map[string]*casefile.File {
	t.Helper()
	names, err := filepath.Glob("tests/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*casefile.File{}
	for _, n := range names {
		src, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		f, err := casefile.Parse(n, src)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f.Policy)] = f
	}
	return out
}

// SPDX-License-Identifier: MIT

// Package examples holds the example policies and the tests that keep them true.
package examples

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
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

func TestExamplesCompile(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %d examples: %v", len(files), err)
	}
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
			if _, err := policy.Compile(p, policy.Options{DefaultBaseline: "image"}); err != nil {
				t.Error(err)
			}
		})
	}
}

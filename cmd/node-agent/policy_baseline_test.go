package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func TestPolicyBaseline(t *testing.T) {
	for _, name := range []string{"image", "runtime", "none"} {
		src, _ := policy.BaselineSource(name)
		if out, code := command(t, "", "policy", "baseline", name); code != 0 || out != string(src) || len(out) == 0 {
			t.Errorf("%s: exit %d, %d bytes", name, code, len(out))
		}
	}
	if _, code := command(t, "", "policy", "baseline", "imgae"); code != exitUsage {
		t.Errorf("exit %d", code)
	}
}

func TestPolicyBaselineList(t *testing.T) {
	out, code := command(t, "", "policy", "baseline")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 4 || !strings.HasPrefix(lines[0], "NAME") || !strings.HasPrefix(lines[1], "image ") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	out, code = command(t, "", "policy", "baseline", "-o", "json")
	var got []baselineResult
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("exit %d: %v", code, err)
	}
	for i, name := range []string{"image", "runtime", "none"} {
		b := got[i]
		if b.Name != name || b.Version == "" || b.Purpose == "" || (b.Rules > 0) != (name != "none") || b.Policy != "" {
			t.Errorf("%+v", b)
		}
	}
	out, _ = command(t, "", "policy", "baseline", "runtime", "-o", "json")
	var one baselineResult
	src, _ := policy.BaselineSource("runtime")
	if err := json.Unmarshal([]byte(out), &one); err != nil || one.Policy != string(src) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPolicySchema(t *testing.T) {
	out, code := command(t, "", "policy", "schema")
	var got map[string]any
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || got["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("exit %d, %v", code, err)
	}
}

package main

import (
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

package main

import (
	"strings"
	"testing"
)

// TestAllowRelaxation: each command that judges as the operator would has the
// flag, and refuses what it does not allow at its place.
func TestAllowRelaxation(t *testing.T) {
	file := write(t, "version: 1\nbuiltin: {ptrace: allow, devices: allow}\n")
	for _, args := range [][]string{
		{"policy", "check", file}, {"policy", "compile", file}, {"policy", "explain", "--policy", file, "file.read", "/x"},
	} {
		refused := file + `:2:35: builtin: the operator does not let policies relax "devices"`
		for _, tt := range []struct{ flag, want string }{
			{"", refused},
			{"ptrace", refused},
			{"none", file + `:2:19: builtin: the operator does not let policies relax "ptrace"`},
			{"ptrace,devices", ""},
			{"cgroupfs", `"cgroupfs" can never be relaxed`},
			{"device", `did you mean "devices"?`},
		} {
			args := args
			if tt.flag != "" {
				args = append(args[:len(args):len(args)], "--allow-relaxation", tt.flag)
			}
			out, code := command(t, "", args...)
			if tt.want == "" {
				if code == exitUsage {
					t.Errorf("%v: exit %d: %s", args, code, out)
				}
				continue
			}
			// The others say it on standard error.
			if code != exitUsage || args[1] == "check" && strings.HasPrefix(tt.want, file) && !strings.Contains(out, tt.want) {
				t.Errorf("%v: exit %d, want %s in: %s", args, code, tt.want, out)
			}
		}
	}
	// What only reads a policy takes any, and lint names each.
	out, _ := command(t, "", "policy", "lint", file)
	for _, want := range []string{"builtin: {ptrace: allow}", "builtin: {devices: allow}", "the operator must let policies relax it"} {
		if !strings.Contains(out, want) {
			t.Errorf("lint does not say %s: %s", want, out)
		}
	}
}

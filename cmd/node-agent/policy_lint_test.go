package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// imageRoot makes a small image; what begins with "-> " is a link.
func imageRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(text), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var alpine = map[string]string{
	"bin/busybox": "elf", "bin/sh": "-> /bin/busybox", "bin/chown": "-> /bin/busybox", "usr/bin/python3": "-> python3.12", "usr/bin/python3.12": "elf",
	"etc/app/secrets": "-> /mnt/secrets", "mnt/secrets/key": "k",
	"usr/local/bin/start.sh": "#!/bin/sh\nchown app /data\nexec \"$@\"\n",
	"escape":                 "-> ../../../../../../../etc",
}

func TestPolicyLint(t *testing.T) {
	const file = "testdata/lint/policy.yaml"
	root := imageRoot(t, alpine)
	for _, tt := range []struct {
		golden string
		args   []string
	}{
		{"plain", nil},
		{"root", []string{"--root", root, "--entrypoint", "start.sh python3 'a b.py'"}},
	} {
		out, code := command(t, "", append([]string{"policy", "lint", file}, tt.args...)...)
		if code != exitFindings {
			t.Errorf("%s: exit %d", tt.golden, code)
		}
		golden(t, filepath.Join("testdata/lint", tt.golden+".txt"), out)
	}
}

func TestPolicyLintCodes(t *testing.T) {
	clean := write(t, "version: 1\nrules:\n  - {action: file.*, path: /tmp/**, decision: allow}\n")
	root := imageRoot(t, alpine)
	config := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(config, []byte(`{"config":{"Entrypoint":["start.sh"],"Cmd":["python3"]}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{clean}, 0, "0 error(s), 0 warning(s), 1 note(s)"},
		{[]string{"--root", root, "--config", config, clean}, 0, "3.  /usr/bin/python3.12      program   allowed by entrypoint"},
		{[]string{"--root", root, "--entrypoint", "nothing", clean}, 0, "then: nothing is not in the image"},
		{[]string{"--root", root, "--entrypoint", "/escape/passwd", clean}, 0, "then: /escape/passwd is not in the image"}, // never the host's
		{[]string{"--config", config, clean}, exitUsage, ""},
		{[]string{"--root", filepath.Join(root, "none"), clean}, exitUsage, ""},
		{[]string{"--root", root, "--entrypoint", "'a", clean}, exitUsage, ""},
		{[]string{write(t, bad)}, exitUsage, ""},
		{nil, exitUsage, ""},
	} {
		out, code := command(t, "", append([]string{"policy", "lint"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%v: exit %d, want %d:\n%s", tt.args, code, tt.code, out)
		}
	}
	out, code := command(t, "version: 1\nentrypoint: deny\n", "policy", "lint", "-o", "json", "--root", root, "--config", config, "-")
	var got lintResult
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if code != exitFindings || len(got.Entry.Steps) != 3 || len(got.Entry.Needs) != 3 || got.Findings[0].Code != "entry-denied" {
		t.Errorf("exit %d: %s", code, out)
	}
}

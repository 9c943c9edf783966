package lint_test

import (
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/image"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/lint"
)

func link(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o755} }

var debian = fstest.MapFS{
	"bin": link("usr/bin"), "var/run": link("/run"), "etc/localtime": link("/usr/share/zoneinfo/UTC"), "usr/share/zoneinfo/UTC": file("tz"),
	"usr/bin/python3": link("python3.11"), "usr/bin/python3.11": file("elf"), "data": link("mnt/data"), "mnt/data/x": file("x"),
	"usr/bin/dash": file("elf"), "usr/bin/sh": link("dash"), "start.sh": file("#!/bin/sh\nexec \"$@\"\n"),
	"usr/bin/busybox": file("box"), "usr/bin/ls": link("busybox"), "usr/bin/wget": link("busybox"),
}

func load(t *testing.T, src string) (*policy.Policy, *policy.Tables) {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	tables, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p, tables
}

func TestCheckImage(t *testing.T) {
	const head = "version: 1\nbaseline: none\nrules:\n"
	for _, tt := range []struct {
		src  string
		want []string
		do   string
	}{
		{"  - {action: process.exec, path: /usr/bin/python3, decision: allow}\n", []string{"4:34 warning symlink"}, "write /usr/bin/python3.11"},
		{"  - {action: process.exec, path: /bin/python3, decision: deny}\n", []string{"4:34 error deny-symlink"}, "write /usr/bin/python3.11"},
		{"  - {action: process.exec, path: /bin/python3.11, decision: deny}\n", nil, ""}, // the language knows /bin
		{"  - {action: file.read, path: /var/run/x/**, decision: deny}\n", nil, ""},
		{"  - {action: file.read, path: /data/**, decision: deny}\n", []string{"4:31 error deny-symlink"}, "write /mnt/data/**"},
		{"  - {action: file.read, path: {startsWith: /data/x}, decision: allow}\n", []string{"4:44 warning symlink"}, "write /mnt/data/x"},
		{"  - {action: file.read, path: {glob: [/data/**, /mnt/data/**]}, decision: deny}\n", nil, ""},
		{"  - {action: file.read, path: /no/such/**, decision: deny}\n", nil, ""},
		{"  - {action: process.exec, path: /usr/bin/busybox, decision: allow}\n", []string{"4:5 warning multi-call"}, ""},
		{"  - {action: process.exec, path: /usr/bin/dash, decision: allow}\n", nil, ""},
	} {
		p, tables := load(t, head+tt.src)
		var got []string
		do := ""
		for _, f := range lint.CheckImage(p, tables, image.New(debian, os.SameFile)) {
			got = append(got, brief(f))
			do = f.Do
		}
		if d := cmp.Diff(tt.want, got); d != "" || tt.do != "" && tt.do != do {
			t.Errorf("%s(-want +got):\n%s%s", tt.src, d, do)
		}
	}
}

func TestEntryPoint(t *testing.T) {
	for _, tt := range []struct {
		policy string
		want   []string
	}{
		{"", nil},
		{"entrypoint: single\n", []string{"/usr/bin/python3.11"}},
		{"entrypoint: deny\n", []string{"/start.sh", "/usr/bin/dash", "/usr/bin/python3.11"}},
		{"entrypoint: deny\nrules:\n  - {action: process.exec, path: {in: [/start.sh, /bin/dash, /usr/bin/python3.11]}, decision: allow}\n", nil},
	} {
		p, tables := load(t, "version: 1\n"+tt.policy)
		e := lint.EntryPoint(p, tables, image.New(debian, os.SameFile), image.Command{Args: []string{"/start.sh", "python3", "a.py"}})
		if len(e.Steps) != 3 || e.Note != "" {
			t.Errorf("%+v", e)
		}
		if d := cmp.Diff(tt.want, e.Needed()); d != "" {
			t.Errorf("%s: %s", tt.policy, d)
		}
		if n := len(e.Findings(p)); n != len(tt.want) {
			t.Errorf("%d findings", n)
		}
	}
}

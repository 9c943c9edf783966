package image_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy/image"
)

// root makes an image on disk. A value that begins with "-> " is a symlink,
// with "= " a hard link.
func root(t *testing.T, files map[string]string) *image.Image {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { // hard links last
		return strings.Compare(files[a][:min(2, len(files[a]))]+a, files[b][:min(2, len(files[b]))]+b)
	})
	var links []string
	for _, name := range names {
		if strings.HasPrefix(files[name], "= ") {
			links = append(links, name)
			continue
		}
		full := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		if target, ok := strings.CutPrefix(files[name], "-> "); ok {
			must(t, os.Symlink(target, full))
		} else {
			must(t, os.WriteFile(full, []byte(files[name]), 0o755))
		}
	}
	for _, name := range links {
		must(t, os.Link(filepath.Join(dir, files[name][2:]), filepath.Join(dir, name)))
	}
	r, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return image.New(r.FS().(fs.ReadLinkFS), os.SameFile)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestResolve(t *testing.T) {
	m := root(t, map[string]string{
		"usr/bin/python3.11":  "elf",
		"usr/bin/python3":     "-> python3.11",
		"usr/bin/python":      "-> /usr/bin/python3",
		"etc/up":              "-> ../../../../usr/bin/python",
		"etc/host":            "-> /../../etc/passwd",
		"loop":                "-> loop2",
		"loop2":               "-> loop",
		"data/v":              "-> ..data/v",
		"data/..data":         "-> ..2026_01_01",
		"data/..2026_01_01/v": "x",
	})
	for _, tt := range []struct {
		name, real string
		links      int
		exists     bool
	}{
		{"/usr/bin/python3.11", "/usr/bin/python3.11", 0, true},
		{"/usr/bin/python", "/usr/bin/python3.11", 2, true},
		{"/etc/up", "/usr/bin/python3.11", 3, true},
		{"/etc/host", "/etc/passwd", 1, false}, // the image's, which has none
		{"/loop", "", 40, false},
		{"/data/v", "/data/..2026_01_01/v", 2, true},
		{"/nothing/../x/y", "/x/y", 0, false},
		{"/usr/./bin/", "/usr/bin", 0, true},
		{"/", "/", 0, true},
	} {
		r := m.Resolve(tt.name)
		if tt.real != "" && r.Path != tt.real || len(r.Links) != tt.links || r.Exists != tt.exists {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}

func TestMulticalls(t *testing.T) {
	m := root(t, map[string]string{
		"bin/busybox": "one", "bin/sh": "-> /bin/busybox", "bin/wget": "= bin/busybox", "usr/bin/env": "-> ../../bin/busybox",
		"usr/bin/python3.11": "two", "usr/bin/python3": "-> python3.11",
	})
	want := []image.Multicall{{Paths: []string{"/bin/busybox", "/bin/wget"}, Names: []string{"busybox", "env", "sh", "wget"}}}
	if d := cmp.Diff(want, m.Multicalls()); d != "" {
		t.Error(d)
	}
}

func TestChain(t *testing.T) {
	m := root(t, map[string]string{
		"bin/dash": "elf", "bin/sh": "-> dash", "usr/bin/env": "elf", "sbin/tini": "elf", "usr/local/bin/node": "elf", "usr/sbin/gosu": "elf",
		"usr/local/bin/docker-entrypoint.sh": "#!/bin/sh -e\nchown x /data\nexec gosu app \"$@\"\n",
		"usr/local/bin/plain.sh":             "#!/bin/sh\nnode server.js\n",
		"app/run.js":                         "#!/usr/bin/env -S node --flag\n",
		"app/broken":                         "#!/no/such\n",
	})
	isLauncher := func(p string) bool {
		return slices.Contains([]string{"/bin/dash", "/usr/bin/env", "/sbin/tini", "/usr/sbin/gosu"}, p)
	}
	for _, tt := range []struct {
		args, want, note string
	}{
		{"/usr/local/bin/node x", "/usr/local/bin/node", ""},
		{"docker-entrypoint.sh node server.js", "/usr/local/bin/docker-entrypoint.sh /bin/dash /usr/sbin/gosu /usr/local/bin/node", ""},
		{"tini -g -p SIGTERM -- docker-entrypoint.sh node", "/sbin/tini /usr/local/bin/docker-entrypoint.sh /bin/dash /usr/sbin/gosu /usr/local/bin/node", ""},
		{"plain.sh", "/usr/local/bin/plain.sh /bin/dash", "what /usr/local/bin/plain.sh starts cannot be told"},
		{"./run.js", "/app/run.js /usr/bin/env /usr/local/bin/node", ""},
		{"env A=b -u C node", "/usr/bin/env /usr/local/bin/node", ""},
		{"'' x", "", "is not in the image"},
		{"sh -c 'exec node server.js'", "/bin/dash /usr/local/bin/node", ""},
		{"sh -ec 'node | cat'", "/bin/dash", "for the shell to say"},
		{"/app/broken", "/app/broken", "/no/such, the interpreter of /app/broken, is not in the image"},
		{"nodejs", "", "nodejs is not in the image"},
	} {
		args, err := image.Words(tt.args)
		must(t, err)
		starts, note := m.Chain(image.Command{Args: args, Dir: "/app"}, isLauncher)
		var paths []string
		for _, s := range starts {
			paths = append(paths, s.Path)
		}
		if got := strings.Join(paths, " "); got != tt.want || !strings.Contains(note, tt.note) || tt.note == "" && note != "" {
			t.Errorf("%s: %s (%s)", tt.args, got, note)
		}
	}
}

func TestReadConfig(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want image.Command
		bad  bool
	}{
		{`{"config":{"Entrypoint":["/e"],"Cmd":["a"],"Env":["PATH=/x","A=b"],"WorkingDir":"/w"}}`, image.Command{Args: []string{"/e", "a"}, Path: "/x", Dir: "/w"}, false},
		{`{"process":{"args":["/e"],"cwd":"/"}}`, image.Command{Args: []string{"/e"}, Dir: "/"}, false},
		{`{}`, image.Command{}, true},
		{`[`, image.Command{}, true},
	} {
		got, err := image.ReadConfig([]byte(tt.src))
		if d := cmp.Diff(tt.want, got); d != "" && !tt.bad || (err != nil) != tt.bad {
			t.Errorf("%s: %v %s", tt.src, err, d)
		}
	}
}

package loader

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOverlayChanges: every change on an overlay makes many below it: what is
// copied up, marked, moved through the work directory. None of these is a
// decision, and none is refused.
func TestOverlayChanges(t *testing.T) {
	g := sharedGate(t)
	n, _ := install(t, g, everything)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	dir := t.TempDir()
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var files []string
	for i := range 16 {
		files = append(files, fmt.Sprintf("d%d/file", i))
		file(t, filepath.Join(dir, "lower"), files[i])
	}
	m := filepath.Join(dir, "merged")
	mount(t, "overlay", m, "overlay", 0, fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir))
	c := startChild(t, gr)
	for _, tt := range []struct {
		do       string
		subjects []string // of the decisions
	}{
		{"open d0/new 65", []string{"d0/new"}},    // O_WRONLY|O_CREAT
		{"open d1/file 513", []string{"d1/file"}}, // O_WRONLY|O_TRUNC
		{"symlink x d2/new", []string{"d2/new"}},
		{"mkdir d3/new", []string{"d3/new"}},
		{"mkfifo d4/new", []string{"d4/new"}},
		{"link d5/file d5/new", []string{"d5/file", "d5/new"}},
		{"rename d6/file d6/new", []string{"d6/file", "d6/new"}},
		{"unlink d7/file", []string{"d7/file"}},
		{"symlink x d7/file", []string{"d7/file"}}, // over a whiteout
		{"chmod d8/file", []string{"d8/file"}},
		{"chown d9/file", []string{"d9/file"}},
		{"chown-none d9/file", []string{"d9/file"}},
		{"utimes d10/file", []string{"d10/file"}},
		{"setxattr d11/file", []string{"d11/file"}},
		{"removexattr d11/file", []string{"d11/file"}},
		{"truncate d12/file", []string{"d12/file"}},
		{"utimes d13", []string{"d13"}},
		{"exchange d14/file d13/file", []string{"d14/file", "d13/file"}},
		{"mkdir d15/new", []string{"d15/new"}},
		{"rmdir d15/new", []string{"d15/new"}},
	} {
		w := strings.Fields(tt.do)
		for i := range w {
			if strings.HasPrefix(w[i], "d") {
				w[i] = filepath.Join(m, w[i])
			}
		}
		drain(t, g)
		before := total(t, g)
		if end := c.ask("%s", strings.Join(w, " ")); end != "ok" {
			t.Errorf("%s: %s; events: %s", tt.do, end, list(drain(t, g)))
			continue
		}
		after, es := total(t, g), drain(t, g)
		for _, s := range tt.subjects {
			if found := about(es, filepath.Join(m, s)); len(found) != 1 || found[0].Verdict != Allow {
				t.Errorf("%s: %d decisions about %s: %s", tt.do, len(found), s, list(es))
			}
		}
		if n := after.Decisions - before.Decisions; n != uint64(len(tt.subjects)) {
			t.Errorf("%s: %d decisions: %s", tt.do, n, list(es))
		}
	}
}

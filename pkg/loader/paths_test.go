package loader

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// everything allows and records whatever has a path.
const everything = "version: 1\nbaseline: none\nrules:\n  - {id: all, action: [file.*, process.exec], path: \"/**\", decision: audit}\n"

// deep makes directories of the given names below dir, one in the other, and a
// file in the last one, however long the whole path is.
func deep(t *testing.T, dir string, names []string, leaf string) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := unix.Mkdirat(fd, n, 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(fd, n, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = next
	}
	defer unix.Close(fd)
	f, err := unix.Openat(fd, leaf, unix.O_WRONLY|unix.O_CREAT, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(f)
}

// TestPathLength: 4,095 bytes are judged like any path, one more is denied as
// too long.
func TestPathLength(t *testing.T) {
	g := sharedGate(t)
	n, tb := install(t, g, everything)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	for _, tt := range []struct {
		bytes int
		end   string
	}{{4094, "ok"}, {4095, "ok"}, {4096, "EACCES"}, {4097, "EACCES"}, {5000, "EACCES"}} {
		t.Run(fmt.Sprint(tt.bytes), func(t *testing.T) {
			c := startChild(t, gr)
			dir := t.TempDir()
			var names []string
			rest := tt.bytes - len(dir)
			for rest > 2*201 {
				names = append(names, strings.Repeat("d", 200))
				rest -= 201
			}
			if rest > 201 {
				names = append(names, strings.Repeat("e", 100))
				rest -= 101
			}
			leaf := strings.Repeat("f", rest-1)
			deep(t, dir, names, leaf)
			whole := dir + "/" + strings.Join(append(names, leaf), "/")
			if len(whole) != tt.bytes {
				t.Fatalf("a path of %d bytes", len(whole))
			}
			c.want("ok", "chdir %s", dir)
			for _, n := range names {
				c.want("ok", "chdir %s", n)
			}
			drain(t, g)
			c.want(tt.end, "open %s", leaf)
			es := drain(t, g)
			if tt.end == "ok" {
				one(t, es, tb, whole, "all", Allow)
				return
			}
			if len(es) != 1 {
				t.Fatalf("%d events: %s", len(es), list(es))
			}
			e := es[0]
			if tb.Rules[e.Rule].Name != "builtin/unresolvable" || e.Class != "too-long" || e.Verdict != Deny || len(e.Subject) != 0 {
				t.Errorf("event %+v", *e)
			}
		})
	}
}

// TestPathComponents: the number of components does not matter.
func TestPathComponents(t *testing.T) {
	g := sharedGate(t)
	base := t.TempDir()
	n, tb := install(t, g, fmt.Sprintf("version: 1\nbaseline: none\nrules:\n"+
		"  - {id: secret, action: file.*, path: {glob: [\"%s/**/secret\"]}, decision: deny}\n"+
		"  - {id: base, action: file.*, path: {startsWith: %s/}, decision: audit}\n", base, base))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	for _, k := range []int{60, 70, 500, 1900} {
		dir := filepath.Join(base, fmt.Sprint(k))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		var names []string
		for range k {
			names = append(names, "d")
		}
		deep(t, dir, names, "secret")
		path := dir + "/" + strings.Join(names, "/")
		drain(t, g)
		c.want("ok", "open %s", path)
		c.want("EACCES", "open %s/secret", path)
		es := drain(t, g)
		one(t, es, tb, path, "base", Allow)
		one(t, es, tb, path+"/secret", "secret", Deny)
	}
}

// mount mounts and unmounts at the end of the test.
func mount(t *testing.T, source, target, typ string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, target, typ, flags, data); err != nil {
		t.Fatalf("mount %s at %s: %v", typ, target, err)
	}
	t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) }) //nolint:errcheck // the test may have done it
}

// unresolvable wants one event, a denial because no path can be trusted.
func unresolvable(t *testing.T, es []*Event) {
	t.Helper()
	if len(es) != 1 {
		t.Fatalf("%d events, want 1: %s", len(es), list(es))
	}
	if e := es[0]; e.Rule != uint16(safeclawRuleRULE_UNRESOLVABLE) || e.Class != "unresolvable" || e.Verdict != Deny || len(e.Subject) != 0 {
		t.Errorf("event %+v", *e)
	}
}

// TestDetached: a file on a mount that is attached nowhere has no path, though
// its name looks like one below the root.
func TestDetached(t *testing.T) {
	g := sharedGate(t)
	n, tb := install(t, g, everything)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	dir := t.TempDir()
	for _, name := range []string{"gone", "kept"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		mount(t, "tmpfs", filepath.Join(dir, name), "tmpfs", 0, "")
		file(t, filepath.Join(dir, name), "etc/f")
	}
	gone, kept := filepath.Join(dir, "gone"), filepath.Join(dir, "kept")

	fd := c.number("path %s", gone)
	drain(t, g)
	c.want("ok", "at %d etc/f", fd)
	if e := one(t, drain(t, g), tb, gone+"/etc/f", "all", Allow); e.Class != "mount" {
		t.Errorf("class %s", e.Class)
	}
	if err := unix.Unmount(gone, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"etc/f", "etc", "."} {
		c.want("EACCES", "at %d %s", fd, what)
		unresolvable(t, drain(t, g))
	}

	tree := c.number("tree %s", kept)
	for _, what := range []string{"etc/f", "etc", "."} {
		c.want("EACCES", "at %d %s", tree, what)
		unresolvable(t, drain(t, g))
	}
	tree = c.number("tree %s", kept+"/etc")
	c.want("EACCES", "at %d f", tree)
	unresolvable(t, drain(t, g))
	c.want("ok", "open %s/etc/f", kept)
	one(t, drain(t, g), tb, kept+"/etc/f", "all", Allow)
}

// TestOverlay: an overlay opens files of its layers for each file that is
// opened on it. Only the outer open is a decision, and so it is when the write
// copies the file up.
func TestOverlay(t *testing.T) {
	g := sharedGate(t)
	n, tb := install(t, g, everything)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	dir := t.TempDir()
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"read", "write", "trunc", "both", "dir/read"} {
		file(t, filepath.Join(dir, "lower"), f)
	}
	file(t, filepath.Join(dir, "upper"), "dir/upper")
	merged := filepath.Join(dir, "merged")
	mount(t, "overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir))
	c := startChild(t, gr)
	for _, tt := range []struct {
		name  string
		flags int
		kind  safeclawKind
	}{
		{"read", unix.O_RDONLY, safeclawKindKIND_READ},
		{"write", unix.O_WRONLY, safeclawKindKIND_WRITE},
		{"write", unix.O_RDONLY, safeclawKindKIND_READ}, // the copy in the upper layer
		{"trunc", unix.O_WRONLY | unix.O_TRUNC, safeclawKindKIND_WRITE},
		{"both", unix.O_RDWR, safeclawKindKIND_WRITE},
		{"new", unix.O_RDWR | unix.O_CREAT, safeclawKindKIND_WRITE},
		{"dir", unix.O_RDONLY, safeclawKindKIND_READ},
		{"dir/read", unix.O_RDONLY, safeclawKindKIND_READ},
		{"dir/upper", unix.O_RDWR, safeclawKindKIND_WRITE},
	} {
		drain(t, g)
		before := total(t, g)
		c.want("ok", "open %s/%s %d", merged, tt.name, tt.flags)
		after := total(t, g)
		es := drain(t, g)
		e := one(t, es, tb, filepath.Join(merged, tt.name), "all", Allow)
		if len(es) != 1 || after.Decisions-before.Decisions != 1 || e.Action != uint8(tt.kind) || e.Class != "mount" {
			t.Errorf("open of %s with flags %x: %d decisions: %s", tt.name, tt.flags, after.Decisions-before.Decisions, list(es))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "upper/write")); err != nil {
		t.Errorf("nothing was copied up: %v", err)
	}
	// The layers' own files are files like any other.
	c.want("ok", "open %s/lower/read", dir)
	one(t, drain(t, g), tb, dir+"/lower/read", "all", Allow)
}

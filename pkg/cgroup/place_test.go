package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type golden struct {
	path   string
	want   Place
	pod    bool
	source string
}

// readGolden reads testdata/paths.tsv.
func readGolden(t *testing.T) []golden {
	t.Helper()
	b, err := os.ReadFile("testdata/paths.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 6 {
			t.Fatalf("%q has %d fields", line, len(f))
		}
		for i, s := range f {
			if s == "-" {
				f[i] = ""
			}
		}
		out = append(out, golden{f[0], Place{PodUID: f[1], Runtime: f[2], ContainerID: f[3], Monitor: f[4] == "monitor"}, f[1] != "", f[5]})
	}
	if len(out) < 30 {
		t.Fatalf("only %d rows", len(out))
	}
	return out
}

func TestLocate(t *testing.T) {
	for _, g := range readGolden(t) {
		for _, path := range []string{g.path, strings.TrimPrefix(g.path, "/"), g.path + "/"} {
			got, ok := Locate(path)
			if d := cmp.Diff(g.want, got); d != "" || ok != g.pod {
				t.Errorf("%s (%s): %v\n%s", path, g.source, ok, d)
			}
		}
	}
}

// TestLocateOdd: names that are nearly, but not, what they look like.
func TestLocateOdd(t *testing.T) {
	const id = "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f869860"
	for path, want := range map[string]Place{
		"kubepods/podabc/" + id[1:]:                          {PodUID: "abc"}, // too short for an id
		"kubepods/podabc/" + strings.ToUpper(id):             {PodUID: "abc"},
		"kubepods/podabc/x" + id:                             {PodUID: "abc"}, // no dash
		"kubepods/podabc/-" + id + ".scope":                  {PodUID: "abc"},
		"kubepods/pod/" + id:                                 {},
		"kubepods/pod../" + id:                               {},
		"kubepods-podx.slice:crio:" + id[1:]:                 {},
		"kubepods-podx.slice:crio":                           {},
		"other-podx.slice:crio:" + id:                        {},
		"kubepods-podx.slice:crio:" + id + "/y":              {PodUID: "x", Runtime: "crio", ContainerID: id},
		"notkubepods/podabc":                                 {},
		"kubepods/podabc/../podxyz":                          {PodUID: "xyz"},
		"kubepods.slice/kubepods-podA_b.slice/a-b-" + id:     {PodUID: "A-b", Runtime: "a-b", ContainerID: id},
		"kubepods.slice/kubepods-burstable.slice/podabc":     {PodUID: "abc"},
		"kubepods.slice/kubepods-burstable-podabc.slice/sub": {PodUID: "abc"},
	} {
		got, ok := Locate(path)
		if d := cmp.Diff(want, got); d != "" || ok != (want.PodUID != "") {
			t.Errorf("%s: %v\n%s", path, ok, d)
		}
	}
}

func FuzzLocate(f *testing.F) {
	f.Add("/kubepods/burstable/podabc/x")
	f.Fuzz(func(t *testing.T, path string) {
		p, ok := Locate(path)
		if ok != (p.PodUID != "") || (!ok && p != Place{}) {
			t.Errorf("%q: %+v, %v", path, p, ok)
		}
		if p.ContainerID != "" && !isID(p.ContainerID) {
			t.Errorf("%q: id %q", path, p.ContainerID)
		}
		// Whatever is in a container's cgroup is the container's.
		if sub, _ := Locate(filepath.Join("/", path) + "/kubepods/podother/sub"); p.ContainerID != "" && sub != p {
			t.Errorf("%q: %+v, below it %+v", path, p, sub)
		}
	})
}

// TestPods finds each recorded pod and container in a tree that holds them all,
// and in one below a cgroupRoot.
func TestPods(t *testing.T) {
	rows := readGolden(t)
	for _, prefix := range []string{"", "/some/root.slice"} {
		mount := t.TempDir()
		want := map[string]Place{}
		for _, g := range rows {
			if err := os.MkdirAll(filepath.Join(mount, prefix, g.path), 0o755); err != nil {
				t.Fatal(err)
			}
			for p := g.path; p != "/"; p = filepath.Dir(p) {
				if l, ok := Locate(p); ok && !strings.Contains(p[:strings.LastIndexByte(p, '/')], orNone(l.ContainerID)) {
					want[filepath.Join(mount, prefix, p)] = l
				}
			}
		}
		if err := os.WriteFile(filepath.Join(mount, prefix, "kubepods/podfile"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(mount, prefix, "kubepods/podc9c501eb-9423-4bd6-b96f-7f10f7f4527d/notes"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, root := range []string{mount, filepath.Join(mount, prefix)} {
			got := map[string]Place{}
			dirs, err := Tree{Root: root}.Pods()
			if err != nil {
				t.Fatal(err)
			}
			for i, d := range dirs {
				if id, err := (&Group{Dir: d.Path}).ID(); err != nil || id != d.ID {
					t.Errorf("%s has the id %d, not %d: %v", d.Path, id, d.ID, err)
				}
				up := filepath.Dir(d.Path)
				if slices.ContainsFunc(dirs[i:], func(o Dir) bool { return o.Path == up }) {
					t.Errorf("%s comes before its parent", d.Path)
				}
				got[d.Path] = d.Place
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("below %s:\n%s", root, d)
			}
		}
		uid := "ff49d0be-16b7-4a49-bb9e-8ec1f1f4e27f"
		if err := os.MkdirAll(filepath.Join(mount, prefix, "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podff49d0be_16b7_4a49_bb9e_8ec1f1f4e27f.slice"), 0o755); err != nil {
			t.Fatal(err)
		}
		dirs, err := Tree{Root: mount}.Pod(uid)
		if err != nil || len(dirs) != 2 || dirs[0].PodUID != uid || dirs[1].PodUID != uid {
			t.Errorf("a pod whose container is elsewhere: %+v, %v", dirs, err)
		}
		if dirs, err := (Tree{Root: mount}).Pod("none"); err != nil || len(dirs) != 0 {
			t.Errorf("a pod that is not there: %v, %v", dirs, err)
		}
	}
	if _, err := (Tree{Root: "/does/not/exist"}).Pods(); err == nil {
		t.Error("a root that is not there is no error")
	}
}

func orNone(id string) string {
	if id == "" {
		return "none"
	}
	return id
}

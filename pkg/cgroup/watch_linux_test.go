package cgroup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	testID  = "3726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f869860"
	testID2 = "4726184226f5d3147c25fdeab5b60097e378e8a720503a5e19ecfdf29f869860"
)

// follow runs Watch, and returns what it told of when the wanted last line has come.
func follow(t *testing.T, root string) (until func(last string) []string) {
	t.Helper()
	lines := make(chan string, 10_000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Tree{Root: root}.Watch(ctx, func(c Change) error {
			sign := "+"
			if c.Gone {
				sign = "-"
			}
			rel, err := filepath.Rel(root, c.Path)
			lines <- sign + rel
			return err
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("watching ended with %v", err)
		}
	})
	return func(last string) []string {
		t.Helper()
		var out []string
		for {
			select {
			case l := <-lines:
				out = append(out, l)
				if l == last {
					return out
				}
			case err := <-ended:
				ended <- err
				t.Fatalf("watching ended with %v after %q", err, out)
			}
		}
	}
}

func mkdir(t *testing.T, elem ...string) string {
	t.Helper()
	dir := filepath.Join(elem...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWatch(t *testing.T) {
	root := t.TempDir()
	mkdir(t, root, "system.slice/a.service")
	mkdir(t, root, "kubepods/burstable/pod1", testID)
	mkdir(t, root, "kubepods/burstable/pod1", testID2, "below") // nobody's business
	until := follow(t, root)
	got := until("+kubepods/burstable/pod1/" + testID2)
	if d := cmp.Diff([]string{"+kubepods/burstable/pod1", "+kubepods/burstable/pod1/" + testID, "+kubepods/burstable/pod1/" + testID2}, got); d != "" {
		t.Error(d)
	}
	// A QoS class, a pod and a container all at once, a kubelet with another root.
	mkdir(t, root, "kubepods/besteffort/pod2", testID)
	got = until("+kubepods/besteffort/pod2/" + testID)
	if d := cmp.Diff([]string{"+kubepods/besteffort/pod2", "+kubepods/besteffort/pod2/" + testID}, got); d != "" {
		t.Error(d)
	}
	mkdir(t, root, "k.slice/k-kubepods.slice/k-kubepods-podx_y.slice")
	until("+k.slice/k-kubepods.slice/k-kubepods-podx_y.slice")
	// What is below a container is not told of.
	mkdir(t, root, "kubepods/burstable/pod1", testID, "kubepods/podfake")
	if err := os.RemoveAll(filepath.Join(root, "kubepods/burstable/pod1")); err != nil {
		t.Fatal(err)
	}
	got = until("-kubepods/burstable/pod1")
	want := []string{"-kubepods/burstable/pod1", "-kubepods/burstable/pod1/" + testID, "-kubepods/burstable/pod1/" + testID2}
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// Made anew.
	mkdir(t, root, "kubepods/burstable/pod1", testID)
	until("+kubepods/burstable/pod1/" + testID)
}

// TestWatchChurn: whatever comes and goes meanwhile, what is there in the end
// was told of, and what is not was told of as gone.
func TestWatchChurn(t *testing.T) {
	root := t.TempDir()
	base := mkdir(t, root, "kubepods/besteffort")
	until := follow(t, root)
	want := map[string]bool{}
	for i := range 500 {
		pod := fmt.Sprintf("pod%d", i)
		mkdir(t, base, pod, testID)
		if i%3 == 0 {
			if err := os.RemoveAll(filepath.Join(base, pod)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want["kubepods/besteffort/"+pod] = true
		want["kubepods/besteffort/"+pod+"/"+testID] = true
	}
	mkdir(t, base, "podlast")
	got := map[string]bool{}
	for _, l := range until("+kubepods/besteffort/podlast") {
		name := l[1:]
		if (l[0] == '+') == got[name] {
			t.Errorf("%s twice", l)
		}
		if l[0] == '+' {
			got[name] = true
		} else {
			delete(got, name)
		}
	}
	delete(got, "kubepods/besteffort/podlast")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestWatchOverflow: events that the kernel had to drop are made up for.
func TestWatchOverflow(t *testing.T) {
	root := t.TempDir()
	mkdir(t, root, "kubepods/pod1", testID)
	mkdir(t, root, "kubepods/pod2")
	var got []string
	w := &watcher{tree: Tree{Root: root}, dirs: map[int32]string{}, known: map[string]Dir{}, fn: func(c Change) error {
		got = append(got, fmt.Sprint(c.Gone, strings.TrimPrefix(c.Path, root)))
		return nil
	}}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	defer w.file.Close()
	if err := w.rescan(); err != nil {
		t.Fatal(err)
	}
	watched := len(w.dirs)
	got = nil
	if err := os.RemoveAll(filepath.Join(root, "kubepods/pod2")); err != nil {
		t.Fatal(err)
	}
	mkdir(t, root, "kubepods/pod3")
	if err := w.take(-1, 0x4000, ""); err != nil { // IN_Q_OVERFLOW
		t.Fatal(err)
	}
	slices.Sort(got)
	if d := cmp.Diff([]string{"false/kubepods/pod3", "true/kubepods/pod2"}, got); d != "" {
		t.Error(d)
	}
	if len(w.dirs) != watched || slices.Contains(slices.Collect(maps.Values(w.dirs)), filepath.Join(root, "kubepods/pod2")) {
		t.Errorf("watches of what is gone are kept: %v", w.dirs)
	}
}

func TestWatchEnds(t *testing.T) {
	boom := errors.New("boom")
	root := t.TempDir()
	mkdir(t, root, "kubepods/pod1")
	if err := (Tree{Root: root}).Watch(t.Context(), func(Change) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("the callback's error is %v", err)
	}
	if err := (Tree{Root: root + "/none"}).Watch(t.Context(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no root: %v", err)
	}
}

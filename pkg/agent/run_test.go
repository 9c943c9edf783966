package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

func TestParseVolume(t *testing.T) {
	for in, want := range map[string]Volume{
		"a:/b":             {"a", "/b", false},
		"/srv/x:/data/:ro": {"/srv/x", "/data", true},
		"./x:/a/../b":      {"./x", "/b", false},
		":/b":              {},
		"a":                {},
		"":                 {},
		"a:b":              {},
		"a:/b:rw":          {},
		"a:/b:":            {},
		"a:/b:ro:x":        {},
		"a:":               {},
	} {
		got, err := ParseVolume(in)
		if (err == nil) != (want != Volume{}) || err == nil && got != want {
			t.Errorf("%q: %+v, %v; want %+v", in, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "SOURCE:/TARGET") {
			t.Errorf("%q: the error does not say what is right: %v", in, err)
		}
	}
}

func TestStartCode(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{fs.ErrNotExist, 127},
		{exec.ErrNotFound, 127},
		{syscall.ENOENT, 127},
		{&exec.Error{Name: "x", Err: exec.ErrNotFound}, 127},
		{&fs.PathError{Op: "fork/exec", Path: "/x", Err: syscall.ENOENT}, 127},
		{&startError{Step: "execute /x", Err: syscall.ENOENT}, 127},
		{syscall.EACCES, 126},
		{syscall.ENOEXEC, 126},
		{syscall.EISDIR, 126},
		{&startError{Step: "execute /x", Err: syscall.EACCES}, 126},
		{errors.New("anything else"), 126},
	} {
		if got := startCode(tt.err); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestCredential(t *testing.T) {
	for in, want := range map[string]*syscall.Credential{
		"":           nil,
		"1000":       {Uid: 1000, Gid: 1000},
		"1000:2000":  {Uid: 1000, Gid: 2000},
		"0":          {},
		"4294967295": {Uid: 1<<32 - 1, Gid: 1<<32 - 1},
	} {
		got, err := credential(in)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", in, err, d)
		}
	}
	for _, in := range []string{"app", "1000:", ":1000", "-1", "4294967296", "1:2:3", "1000:app"} {
		if c, err := credential(in); err == nil {
			t.Errorf("%q: %+v", in, *c)
		}
	}
}

// TestStartStatus: what the container's init reports is what its parent hears.
func TestStartStatus(t *testing.T) {
	hear := func(text string) error {
		t.Helper()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		return (&startStatus{r: r, w: w}).wait()
	}
	if err := hear(""); err != nil {
		t.Errorf("a pipe that an exec closed: %v", err)
	}
	if err := (*startStatus)(nil).wait(); err != nil {
		t.Errorf("no container: %v", err)
	}
	b, err := json.Marshal(startReport{Step: "execute /x", Errno: syscall.EACCES, Text: "permission denied"})
	if err != nil {
		t.Fatal(err)
	}
	err = hear(string(b))
	var se *startError
	if !errors.As(err, &se) || se.Step != "execute /x" || !errors.Is(err, syscall.EACCES) || startCode(err) != 126 {
		t.Errorf("%#v", err)
	}
	if err := hear(`{"Step":"find x","Text":"gone"}`); err == nil || err.Error() != "find x: gone" {
		t.Errorf("%v", err)
	}
	if err := hear("half a rep"); err == nil {
		t.Error("garbage is no report")
	}
}

func TestResult(t *testing.T) {
	good := result("x", "found", nil)
	if d := cmp.Diff(Check{Name: "x", OK: true, Detail: "found"}, good); d != "" {
		t.Error(d)
	}
	bad := result("x", "found", fmt.Errorf("wrapped: %w", &loader.UnsupportedError{What: "missing", Do: "get it"}))
	if d := cmp.Diff(Check{Name: "x", Detail: "wrapped: missing", Do: "get it"}, bad); d != "" {
		t.Error(d)
	}
	if !Healthy([]Check{good}) || Healthy([]Check{good, bad}) || !Healthy(nil) {
		t.Error("healthy is when every check passed")
	}
}

// TestDoctorSays: whatever this machine is, each check that fails says what to do.
func TestDoctorSays(t *testing.T) {
	checks := Doctor(t.Context())
	if len(checks) != 7 {
		t.Errorf("%d checks, want 7", len(checks))
	}
	for _, c := range checks {
		if c.Name == "" || c.Detail == "" || !c.OK && c.Do == "" {
			t.Errorf("check %+v", c)
		}
	}
}

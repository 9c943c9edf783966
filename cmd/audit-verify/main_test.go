package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

func TestExitCodes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, err := audit.Open(t.Context(), dir, audit.Options{})
	if err == nil {
		err = l.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"verify", dir}, 2, "UNANCHORED"},
		{[]string{"verify", "--unanchored", dir}, 0, "UNANCHORED"},
		{[]string{"verify", "--anchor", "1:" + strings.Repeat("0", 64), dir}, 1, "TAMPERED"},
		{[]string{"verify", dir + "x"}, 125, ""},
		{[]string{"verfy", dir}, 125, ""},
		{[]string{"--help"}, 0, "check-proof"},
	} {
		var out bytes.Buffer
		if code := run(c.args, &out); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: exit %d, want %d\n%s", c.args, code, c.code, out.String())
		}
	}
}

// What an auditor runs has nothing in it that loads programs into a kernel or
// talks to a cluster.
func TestWhatIsInIt(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		for _, not := range []string{"cilium/ebpf", "k8s.io", "/pkg/loader", "/pkg/policy", "/pkg/agent", "net/http"} {
			if strings.Contains(dep, not) {
				t.Errorf("it has %s in it", dep)
			}
		}
	}
}

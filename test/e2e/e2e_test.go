// Package e2e is about a real cluster: control plane on this machine, a node in a guest whose kernel enforces. `run` makes it.
package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// patience is for whatever the cluster does in its own time, on an emulated node that others may slow down.
const patience = 5 * time.Minute

// needCluster skips the test where `run` has made no cluster.
func needCluster(t *testing.T) {
	t.Helper()
	if os.Getenv("SAFECLAW_E2E") != "1" {
		t.Skip("long only: needs the cluster that test/e2e/run makes")
	}
}

// kubectl returns what the administrator's kubectl prints.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := tryKubectl(args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func tryKubectl(args ...string) (string, error) {
	cmd := exec.Command("./kubectl", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = &kubectlError{err, stderr.String()}
	}
	return string(out), err
}

type kubectlError struct {
	err    error
	stderr string
}

func (e *kubectlError) Error() string { return e.err.Error() + ": " + strings.TrimSpace(e.stderr) }

func (e *kubectlError) Unwrap() error { return e.err }

// get decodes `kubectl get ... -o json`.
func get(t *testing.T, into any, args ...string) {
	t.Helper()
	if err := json.Unmarshal([]byte(kubectl(t, append(append([]string{"get"}, args...), "-o", "json")...)), into); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds, which says what is missing.
func eventually(t *testing.T, missing func() string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		m := missing()
		if m == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %s", patience, m)
		}
	}
}

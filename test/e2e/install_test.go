package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// install does what the README says under "Install it in a cluster": its first
// command on the node, its second here.
func install(t *testing.T) {
	t.Helper()
	commands := readme(t, "## Install it in a cluster")
	if len(commands) != 2 {
		t.Fatalf("the README installs with %q, not with two commands", commands)
	}
	nodeShell(t)
	// The node has all images already; this one shall come by the README's command.
	onNode(t, "ctr -n k8s.io images ls -q | grep /safeclaw-node-agent: | xargs -r ctr -n k8s.io images rm --sync")
	onNode(t, "mkdir -p /tmp/release/bin && cp /img/node-agent.tar /tmp/release/bin/ && cd /tmp/release && "+commands[0])
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euc", commands[1])
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "PATH="+here+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands[1], err, out)
	}
	kubectl(t, "-n", "safeclaw", "rollout", "status", "daemonset/node-agent", "--timeout=10m")
}

func nodeShell(t *testing.T) {
	t.Helper()
	kubectl(t, "apply", "-f", "testdata/node-shell.yaml")
	kubectl(t, "wait", "--for=condition=Ready", "pod/node-shell", "--timeout=5m")
}

// onNode runs shell text in the node's own namespaces.
func onNode(t *testing.T, text string) string {
	t.Helper()
	return kubectl(t, "exec", "node-shell", "--", "nsenter", "-t", "1", "-m", "-n", "--", "/bin/sh", "-ec", text)
}

// readme gives the commands of the first block of code below a heading of the
// README.
func readme(t *testing.T, heading string) []string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n"+heading+"\n")
	_, rest, _ = strings.Cut(rest, "\n```sh\n")
	block, _, _ := strings.Cut(rest, "\n```\n")
	var out []string
	for line := range strings.Lines(block) {
		if line, _, _ = strings.Cut(line, " #"); strings.TrimSpace(line) != "" {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

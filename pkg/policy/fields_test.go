package policy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFieldsOfThePolicy(t *testing.T) {
	p := mustParse(t, `version: 1
builtin: {ptrace: allow, io_uring: allow}
dns: {types: [TXT, 99, null, txt], tcp: allow, maxLabel: 63, rate: 120}
connections: cut
onAgentLoss: deny
`)
	if diff := cmp.Diff([]string{"io_uring", "ptrace"}, p.Builtin); diff != "" {
		t.Errorf("builtin (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(DNS{Types: []uint16{10, 16, 99}, TCP: true, MaxLabel: 63, Rate: 120}, p.DNS); diff != "" {
		t.Errorf("dns (-want +got):\n%s", diff)
	}
	if p.Connections != "cut" || p.OnAgentLoss != "deny" {
		t.Errorf("connections %q, onAgentLoss %q", p.Connections, p.OnAgentLoss)
	}
	p = mustParse(t, "version: 1\n")
	if p.Builtin != nil || p.DNS.Types != nil || p.DNS.TCP || p.DNS.MaxLabel != 0 || p.DNS.Rate != 0 || p.Connections != "keep" || p.OnAgentLoss != "keep" {
		t.Errorf("defaults: %+v", p)
	}
	p = mustParse(t, "version: 1\ndns: {types: TXT, tcp: deny}\nconnections: keep\n")
	if p.DNS.TCP || !slices.Equal(p.DNS.Types, []uint16{16}) || p.Connections != "keep" {
		t.Errorf("%+v", p)
	}
}

func TestBuiltinNames(t *testing.T) {
	names := BuiltinNames()
	if len(names) > 32 {
		t.Errorf("%d names for 32 bits", len(names))
	}
	for i, name := range names {
		if slices.Index(names, name) != i {
			t.Errorf("%s is there twice", name)
		}
		if slices.ContainsFunc(neverRelaxed, func(n neverRelax) bool { return n.name == name }) {
			t.Errorf("%s is relaxable and never relaxable", name)
		}
		p := mustParse(t, "version: 1\nbuiltin: {"+name+": allow}\n")
		if !slices.Equal(p.Builtin, []string{name}) {
			t.Errorf("%s: %v", name, p.Builtin)
		}
	}
	for _, never := range []string{"bpf", "modules", "kexec", "cgroupfs", "setns", "self_protection"} {
		if _, err := Parse("p", []byte("version: 1\nbuiltin: {"+never+": allow}\n")); err == nil || !strings.Contains(err.Error(), "can never be relaxed") {
			t.Errorf("%s: %v", never, err)
		}
	}
}

// TestOneFileReadsYAML holds the lint rule without the linter.
func TestOneFileReadsYAML(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var readers []string
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(src), "\t\"gopkg.in/yaml"+".v3\"") {
			readers = append(readers, f)
		}
	}
	if !slices.Equal(readers, []string{"yaml.go"}) {
		t.Errorf("these files read YAML: %v", readers)
	}
}

func TestTextOfARule(t *testing.T) {
	p := mustParse(t, rule("action: process.exec, path: /usr/bin/go, exe: /usr/bin/make, command: {startsWith: [go build, go test]}, decision: allow"))
	const want = "allow process.exec path glob /usr/bin/go command startsWith [go build, go test] exe glob /usr/bin/make"
	if got := p.Rules[0].Text(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

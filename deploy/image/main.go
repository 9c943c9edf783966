// SPDX-License-Identifier: MIT

// Command image builds the node agent's container image, without a container engine: the static binary on an empty root, for each
// architecture, in one file that containerd, Docker, Podman and skopeo read. The same sources and Go give the same bytes.
//
//	go run ./deploy/image -o FILE.tar -name NAME:TAG [-arch amd64,arm64]
//
// It prints the digest, which is what a registry will call the image.
// Exit codes: 0 made, 1 not, 2 wrong use.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("o", "", "the file to make")
	name := flag.String("name", "", "the image's name, with its tag")
	arches := flag.String("arch", "amd64,arm64", "processors to build for; the first is what Docker gets")
	flag.Parse()
	if *out == "" || *name == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	digest, err := build(".", *out, *name, strings.Split(*arches, ","))
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
	_, _ = fmt.Fprintf(os.Stdout, "%s@%s in %s\n", *name, digest, *out)
}

// build compiles the agent from the sources in a directory and writes the image.
func build(sources, out, name string, arches []string) (digest string, err error) {
	_, version, ok := strings.Cut(filepath.Base(name), ":")
	if !ok {
		return "", fmt.Errorf("the name %q has no tag", name)
	}
	tmp, err := os.MkdirTemp("", "safeclaw-image")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	license, err := os.ReadFile(filepath.Join(sources, "LICENSE"))
	if err != nil {
		return "", fmt.Errorf("read licence: %w", err)
	}
	bpf, err := os.ReadFile(filepath.Join(sources, "bpf", "LICENSE"))
	if err != nil {
		return "", fmt.Errorf("read licence: %w", err)
	}
	var platforms []platform
	for _, arch := range arches {
		agent, err := compile(sources, filepath.Join(tmp, arch), arch, version)
		if err != nil {
			return "", err
		}
		platforms = append(platforms, platform{arch: arch, files: []file{
			{"licenses/LICENSE", 0o644, license},
			{"licenses/LICENSE.bpf", 0o644, bpf},
			{"node-agent", 0o755, agent},
		}})
	}
	b, digest, err := pack(name, platforms)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(out, b, 0o644); err != nil {
		return "", fmt.Errorf("write image: %w", err)
	}
	return digest, nil
}

// compile leaves out what differs from one machine to the next: paths, the build's id, the state of the working tree, C.
func compile(sources, out, arch, version string) ([]byte, error) {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.release="+version, "-o", out, "./cmd/node-agent")
	cmd.Dir, cmd.Stderr = sources, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFLAGS=", "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build for %s: %w", arch, err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("read binary: %w", err)
	}
	return b, nil
}

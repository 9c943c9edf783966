// SPDX-License-Identifier: MIT

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const tree = "../.."

// TestTwoBuilds: the agent built in two places is one image, which changes with what is in it.
func TestTwoBuilds(t *testing.T) {
	elsewhere := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "LICENSE", "bpf/LICENSE", "cmd/node-agent", "internal", "pkg"} {
		copyTree(t, filepath.Join(tree, name), filepath.Join(elsewhere, name))
	}
	out := filepath.Join(t.TempDir(), "image.tar")
	made := func(sources, tag string) (string, []byte) {
		t.Helper()
		d, err := build(sources, out, "localhost/x:"+tag, []string{"amd64"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return d, b
	}
	first, whole := made(tree, "1")
	second, again := made(elsewhere, "1")
	if first != second || !bytes.Equal(whole, again) {
		t.Errorf("built in two places: %s and %s", first, second)
	}
	if other, _ := made(elsewhere, "2"); other == first {
		t.Errorf("another version has the same digest %s", other)
	}

	// What a node will run: static, and nothing else that is executable.
	blobs := unpack(t, whole)
	layer := open(t, blobs, first, "amd64")
	for name, f := range layer {
		if strings.HasSuffix(name, "/") {
			continue
		}
		if exec := f.mode&0o111 != 0; exec != (name == "node-agent") {
			t.Errorf("%s has mode %o", name, f.mode)
		}
	}
	b, err := elf.NewFile(bytes.NewReader(layer["node-agent"].content))
	if err != nil {
		t.Fatal(err)
	}
	if libs, err := b.ImportedLibraries(); err != nil || len(libs) > 0 || b.Machine != elf.EM_X86_64 {
		t.Errorf("needs %v on %v: %v", libs, b.Machine, err)
	}
	for _, p := range b.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it has an interpreter")
		}
	}
}

// TestPack: every reference is to what is there, by digest and size, for each processor.
func TestPack(t *testing.T) {
	b, top, err := pack("localhost/agent:v1", []platform{
		{"amd64", []file{{"a/b", 0o755, []byte("amd")}, {"same", 0o644, []byte("same")}}},
		{"arm64", []file{{"a/b", 0o755, []byte("arm")}, {"same", 0o644, []byte("same")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	blobs := unpack(t, b)
	for name, f := range blobs {
		if hex, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && hex != "" && digest(f.content) != "sha256:"+hex {
			t.Errorf("%s is %s", name, digest(f.content))
		}
	}
	var index struct{ Manifests []descriptor }
	decode(t, blobs["index.json"].content, &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Digest != top || index.Manifests[0].Annotations["io.containerd.image.name"] != "localhost/agent:v1" {
		t.Errorf("index.json: %+v", index)
	}
	for arch, want := range map[string]string{"amd64": "amd", "arm64": "arm"} {
		layer := open(t, blobs, top, arch)
		if string(layer["a/b"].content) != want || string(layer["same"].content) != "same" || layer["a/"].mode != 0o755 {
			t.Errorf("%s: %+v", arch, layer)
		}
	}
	var docker []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	decode(t, blobs["manifest.json"].content, &docker)
	if len(docker) != 1 || docker[0].RepoTags[0] != "localhost/agent:v1" || blobs[docker[0].Config].content == nil || blobs[docker[0].Layers[0]].content == nil {
		t.Errorf("manifest.json: %+v", docker)
	}
}

// open follows the references from the index to the files of a platform's layer.
func open(t *testing.T, blobs map[string]file, top, arch string) map[string]file {
	t.Helper()
	get := func(d descriptor) []byte {
		t.Helper()
		b := blobs[blobName(d)].content
		if len(b) != d.Size && d.Size != 0 || b == nil {
			t.Fatalf("%+v is %d bytes", d, len(b))
		}
		return b
	}
	var index struct{ Manifests []descriptor }
	decode(t, get(descriptor{Digest: top}), &index)
	for _, m := range index.Manifests {
		if m.Platform["architecture"] != arch || m.Platform["os"] != "linux" {
			continue
		}
		var manifest struct {
			Config descriptor
			Layers []descriptor
		}
		decode(t, get(m), &manifest)
		var config struct {
			Architecture string
			Rootfs       struct {
				DiffIDs []string `json:"diff_ids"`
			}
			Config struct{ Entrypoint []string }
		}
		decode(t, get(manifest.Config), &config)
		z, err := gzip.NewReader(bytes.NewReader(get(manifest.Layers[0])))
		if err != nil {
			t.Fatal(err)
		}
		root, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if config.Architecture != arch || config.Rootfs.DiffIDs[0] != digest(root) || config.Config.Entrypoint[0] != "/node-agent" {
			t.Errorf("%s: configuration %+v", arch, config)
		}
		return unpack(t, root)
	}
	t.Fatalf("no manifest for %s in %+v", arch, index)
	return nil
}

func unpack(t *testing.T, b []byte) map[string]file {
	t.Helper()
	files := map[string]file{}
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[h.Name]; twice || h.Uid != 0 || !h.ModTime.IsZero() && h.ModTime.Unix() != 0 {
			t.Errorf("%s: twice %v, uid %d, time %v", h.Name, twice, h.Uid, h.ModTime)
		}
		files[h.Name] = file{h.Name, h.Mode, content}
	}
}

func decode(t *testing.T, b []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if d.IsDir() || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_test.o") {
			return nil
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		dst := path.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(dst), 0o700); err != nil {
			return err
		}
		return os.WriteFile(dst, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

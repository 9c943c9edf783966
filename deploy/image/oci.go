// SPDX-License-Identifier: MIT

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// Media types and names of the OCI image format 1.1, https://github.com/opencontainers/image-spec.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// file is what an image holds.
type file struct {
	name    string
	mode    int64
	content []byte
}

// platform is the image for one processor.
type platform struct {
	arch  string
	files []file
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    map[string]string `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// layout is a tar file in the OCI layout under way.
type layout struct {
	entries []file
	have    map[string]bool
}

// pack gives the whole image as a tar file, and the digest of its index.
func pack(name string, platforms []platform) ([]byte, string, error) {
	l := layout{have: map[string]bool{}}
	var manifests []descriptor
	var docker []any // what Docker before 25 reads
	for i, p := range platforms {
		m, config, layer, err := l.platform(p)
		if err != nil {
			return nil, "", err
		}
		manifests = append(manifests, m)
		if i == 0 {
			docker = append(docker, map[string]any{"Config": blobName(config), "RepoTags": []string{name}, "Layers": []string{blobName(layer)}})
		}
	}
	index, err := l.json(typeIndex, map[string]any{"schemaVersion": 2, "mediaType": typeIndex, "manifests": manifests})
	if err != nil {
		return nil, "", err
	}
	top := index
	// The first is what containerd and Podman call the image, the second is OCI's own.
	top.Annotations = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name[strings.LastIndex(name, ":")+1:]}
	for _, f := range []struct {
		name  string
		value any
	}{
		{"index.json", map[string]any{"schemaVersion": 2, "mediaType": typeIndex, "manifests": []descriptor{top}}},
		{"manifest.json", docker},
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
	} {
		b, err := json.Marshal(f.value)
		if err != nil {
			return nil, "", fmt.Errorf("encode %s: %w", f.name, err)
		}
		l.entries = append(l.entries, file{f.name, 0o644, b})
	}
	b, err := archive(l.entries)
	return b, index.Digest, err
}

func (l *layout) platform(p platform) (manifest, config, layer descriptor, err error) {
	root, err := archive(p.files)
	if err != nil {
		return
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed) // writes neither name nor time
	if _, err = z.Write(root); err == nil {
		err = z.Close()
	}
	if err != nil {
		err = fmt.Errorf("compress layer: %w", err)
		return
	}
	layer = l.blob(typeLayer, packed.Bytes())
	config, err = l.json(typeConfig, map[string]any{
		"architecture": p.arch, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/node-agent"}, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(root)}},
	})
	if err != nil {
		return
	}
	manifest, err = l.json(typeManifest, map[string]any{"schemaVersion": 2, "mediaType": typeManifest, "config": config, "layers": []descriptor{layer}})
	manifest.Platform = map[string]string{"architecture": p.arch, "os": "linux"}
	return
}

func (l *layout) json(mediaType string, value any) (descriptor, error) {
	b, err := json.Marshal(value) // keys of maps are sorted
	if err != nil {
		return descriptor{}, fmt.Errorf("encode %s: %w", mediaType, err)
	}
	return l.blob(mediaType, b), nil
}

func (l *layout) blob(mediaType string, content []byte) descriptor {
	d := descriptor{MediaType: mediaType, Digest: digest(content), Size: len(content)}
	if !l.have[d.Digest] {
		l.have[d.Digest] = true
		l.entries = append(l.entries, file{blobName(d), 0o644, content})
	}
	return d
}

// archive is a tar file of files and the directories above them, all of root's and without a time.
func archive(files []file) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	made := map[string]bool{".": true}
	add := func(h tar.Header, content []byte) error {
		h.Format = tar.FormatUSTAR
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		_, err := w.Write(content)
		return err
	}
	var dirs func(string) error
	dirs = func(name string) error {
		if made[name] {
			return nil
		}
		made[name] = true
		if err := dirs(path.Dir(name)); err != nil {
			return err
		}
		return add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}, nil)
	}
	for _, f := range files {
		err := dirs(path.Dir(f.name))
		if err == nil {
			err = add(tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.content))}, f.content)
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return buf.Bytes(), nil
}

func blobName(d descriptor) string { return "blobs/sha256/" + strings.TrimPrefix(d.Digest, "sha256:") }

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(h[:])
}

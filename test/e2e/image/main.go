// image makes a container image without a registry and without an image builder: a docker archive with one layer, the same bytes for the
// same input.
//
//	image OUT.tar NAME:TAG COMMAND... -- ENTRY...
//
// ENTRY: FILE=/path (mode 755), text:SOME TEXT=/path (mode 644), @TARGET=/path (a symlink), =/path (an empty directory; /tmp for all).
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	split := slices.Index(args, "--")
	if split < 3 {
		return errors.New("use: OUT.tar NAME:TAG COMMAND... -- [ENTRY...]")
	}
	blob, err := layer(args[split+1:])
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": args[2:3], "Cmd": args[3:split], "Env": []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(blob)}},
	})
	if err != nil {
		return err
	}
	layerName, configName := digest(blob)+"/layer.tar", digest(config)+".json"
	manifest, err := json.Marshal([]any{map[string]any{"Config": configName, "RepoTags": []string{args[1]}, "Layers": []string{layerName}}})
	if err != nil {
		return err
	}
	var out archive
	out.file(configName, config, 0o644)
	out.file(layerName, blob, 0o644)
	out.file("manifest.json", manifest, 0o644)
	b, err := out.close()
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], b, 0o600)
}

func layer(entries []string) ([]byte, error) {
	var a archive
	for _, e := range entries {
		i := strings.LastIndex(e, "=")
		if i < 0 || !strings.HasPrefix(e[i+1:], "/") {
			return nil, fmt.Errorf("%q is not SOURCE=/path", e)
		}
		src, dst := e[:i], strings.Trim(e[i+1:], "/")
		switch text, isText := strings.CutPrefix(src, "text:"); {
		case src == "":
			a.dirs(dst)
		case isText:
			a.file(dst, []byte(text+"\n"), 0o644)
		case strings.HasPrefix(src, "@"):
			a.link(dst, src[1:])
		default:
			b, err := os.ReadFile(src)
			if err != nil {
				return nil, err
			}
			a.file(dst, b, 0o755)
		}
	}
	return a.close()
}

// archive is a tar file under way; its first error is kept for close.
type archive struct {
	buf  bytes.Buffer
	w    *tar.Writer
	made map[string]bool
	err  error
}

func (a *archive) add(h *tar.Header, content []byte) {
	if a.w == nil {
		a.w, a.made = tar.NewWriter(&a.buf), map[string]bool{}
	}
	h.Format = tar.FormatUSTAR
	if a.err == nil {
		a.err = a.w.WriteHeader(h)
	}
	if a.err == nil {
		_, a.err = a.w.Write(content)
	}
}

// dirs makes a directory and those above it.
func (a *archive) dirs(name string) {
	if name == "." || a.made[name] {
		return
	}
	a.dirs(path.Dir(name))
	mode := int64(0o755)
	if name == "tmp" {
		mode = 0o1777
	}
	a.add(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}, nil)
	a.made[name] = true
}

func (a *archive) file(name string, content []byte, mode int64) {
	a.dirs(path.Dir(name))
	a.add(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}, content)
}

func (a *archive) link(name, target string) {
	a.dirs(path.Dir(name))
	a.add(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

func (a *archive) close() ([]byte, error) {
	if a.err == nil && a.w != nil {
		a.err = a.w.Close()
	}
	return a.buf.Bytes(), a.err
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

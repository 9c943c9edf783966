package image

import (
	"io"
	"io/fs"
	"path"
	"strings"
)

// Image is the root directory of a container.
type Image struct {
	files fs.ReadLinkFS
	// same reports whether two files are one, under two names.
	same func(a, b fs.FileInfo) bool
}

// New returns the image whose files are given, as os.Root.FS does: no name may
// lead out of it. same is os.SameFile.
func New(files fs.ReadLinkFS, same func(a, b fs.FileInfo) bool) *Image {
	return &Image{files, same}
}

// maxLinks is how many links the kernel follows in one path.
const maxLinks = 40

// Resolved is what a path names.
type Resolved struct {
	Path   string // the real path, as the kernel sees it
	Links  []Link // that were followed
	Exists bool   // where it does not, Path is what its creation would name
	Dir    bool
}

// Link is a symlink and where it leads.
type Link struct{ Path, Target string }

// Resolve follows the links of an absolute path, one component after the
// other. ".." never leads out of the root, and an absolute link starts there.
func (m *Image) Resolve(name string) Resolved {
	var r Resolved
	at := "" // real, without the final slash
	rest := strings.Split(name, "/")
	r.Exists, r.Dir = true, true
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = strings.TrimSuffix(path.Dir("/"+at), "/")
			continue
		}
		next := at + "/" + part
		info, err := m.files.Lstat(next[1:])
		if err != nil {
			return Resolved{Path: path.Join(next, path.Join(rest...)), Links: r.Links}
		}
		r.Dir = info.IsDir()
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := m.files.ReadLink(next[1:])
		if err != nil || len(r.Links) == maxLinks {
			return Resolved{Path: next, Links: r.Links}
		}
		r.Links = append(r.Links, Link{next, target})
		if strings.HasPrefix(target, "/") {
			at = ""
		}
		rest = append(strings.Split(target, "/"), rest...)
		r.Dir = true
	}
	r.Path = at
	if at == "" {
		r.Path = "/"
	}
	return r
}

// head returns the first bytes of a file that is neither link nor device.
func (m *Image) head(real string, n int) []byte {
	info, err := m.files.Lstat(strings.TrimPrefix(real, "/"))
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := m.files.Open(strings.TrimPrefix(real, "/"))
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(n)))
	if err != nil {
		return nil
	}
	return b
}

package image

import (
	"cmp"
	"io/fs"
	"path"
	"slices"
)

// binaryDirs are where programs lie under the names that they are called by.
var binaryDirs = []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"}

// A file that is many programs in one is known by its name, or by having more
// names than a program under a few names (python, python3) has.
var multicallNames = []string{"busybox", "busybox.static", "toybox", "coreutils"}

const manyNames = 10

// Multicall is a file that is many programs: which one runs, the name decides
// that it is called by, and so the caller.
type Multicall struct {
	Paths []string // real paths: more than one if they are hard links
	Names []string // base names that it goes by, sorted
}

// Multicalls finds the files that are many programs.
func (m *Image) Multicalls() []Multicall {
	type file struct {
		info  fs.FileInfo
		paths map[string]bool
		names map[string]bool
	}
	bySize := map[int64][]*file{}
	dirs := map[string]bool{}
	for _, dir := range binaryDirs {
		real := m.Resolve(dir)
		if !real.Exists || dirs[real.Path] {
			continue
		}
		dirs[real.Path] = true
		entries, err := fs.ReadDir(m.files, real.Path[1:])
		if err != nil {
			continue
		}
		for _, e := range entries {
			target := m.Resolve(real.Path + "/" + e.Name())
			if !target.Exists || target.Dir {
				continue
			}
			info, err := m.files.Lstat(target.Path[1:])
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			at := slices.IndexFunc(bySize[info.Size()], func(f *file) bool { return f.paths[target.Path] || m.same(f.info, info) })
			if at < 0 {
				at = len(bySize[info.Size()])
				bySize[info.Size()] = append(bySize[info.Size()], &file{info, map[string]bool{}, map[string]bool{}})
			}
			f := bySize[info.Size()][at]
			f.paths[target.Path] = true
			f.names[e.Name()], f.names[path.Base(target.Path)] = true, true
		}
	}
	var out []Multicall
	for _, files := range bySize {
		for _, f := range files {
			known := slices.ContainsFunc(multicallNames, func(n string) bool { return f.names[n] })
			if known || len(f.names) > manyNames {
				out = append(out, Multicall{sortedKeys(f.paths), sortedKeys(f.names)})
			}
		}
	}
	slices.SortFunc(out, func(a, b Multicall) int { return cmp.Compare(a.Paths[0], b.Paths[0]) })
	return out
}

func sortedKeys(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

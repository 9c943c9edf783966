package cgroup

import (
	"path/filepath"
	"strings"
)

// PodsRoot is the directory below which the kubelet keeps its pods, for a pod's
// or container's directory; where a runtime has put that elsewhere, itself.
func (t Tree) PodsRoot(dir string) string {
	rel, err := filepath.Rel(t.Root, dir)
	if err != nil {
		return dir
	}
	root := t.Root
	for _, name := range strings.Split(rel, "/") {
		root = filepath.Join(root, name)
		if isKubepods(name) {
			return root
		}
	}
	return dir
}

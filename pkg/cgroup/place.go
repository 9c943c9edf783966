package cgroup

import (
	"path"
	"strings"
)

// Place says what of Kubernetes a cgroup belongs to, as the names of its
// directory and those above tell.
type Place struct {
	PodUID      string // as the API has it; of a static pod, its config hash
	ContainerID string // without the runtime's name; "" in a pod's own cgroup
	Runtime     string // "cri-containerd", "crio", "docker"; "" where the layout does not tell
	// Monitor marks the cgroup of a process that looks after the container from
	// the node's side (conmon). Nothing of the pod runs there.
	Monitor bool
}

// kubepods is in the name of the cgroup below which a kubelet keeps its pods,
// whatever stands in front of it (cgroupRoot, the slices of kind).
const kubepods = "kubepods"

// conmon is what CRI-O puts before a container's id for its monitor.
const conmon = "conmon-"

// Locate tells what a cgroup belongs to from its path below a hierarchy's root.
// It is false for whatever is not a pod's. A cgroup below a container's is the
// container's. The outermost pod counts: what a pod nests, it owns.
func Locate(dir string) (Place, bool) {
	var p Place
	below := false
	for _, name := range strings.Split(path.Clean("/"+dir), "/")[1:] {
		if p.PodUID == "" {
			var ok bool
			if p, ok = podAndContainer(name); ok {
				continue
			}
			below = below || isKubepods(name)
			if below {
				p.PodUID, _ = podName(name)
			}
			continue
		}
		if p.ContainerID == "" {
			p.Runtime, p.ContainerID, p.Monitor = containerName(name)
		}
	}
	return p, p.PodUID != ""
}

// isKubepods reports whether pods are kept below a directory of that name.
func isKubepods(name string) bool {
	name = strings.TrimSuffix(name, ".slice")
	return name == kubepods || strings.HasSuffix(name, "-"+kubepods) || strings.HasPrefix(name, kubepods+"-") || strings.Contains(name, "-"+kubepods+"-")
}

// podName returns the UID in the name of a pod's directory: pod<UID> of the
// driver cgroupfs, [...-]kubepods[-<qos>]-pod<UID>.slice of systemd, where _ stands
// for the UID's dashes.
func podName(name string) (uid string, ok bool) {
	if slice, ok := strings.CutSuffix(name, ".slice"); ok {
		uid, ok := strings.CutPrefix(slice[strings.LastIndexByte(slice, '-')+1:], "pod")
		if !ok || !isUID(uid) || !strings.Contains(name, kubepods) {
			return "", false
		}
		return strings.ReplaceAll(uid, "_", "-"), true
	}
	uid, ok = strings.CutPrefix(name, "pod")
	if !ok || !isUID(uid) {
		return "", false
	}
	return uid, true
}

// isUID reports whether a text can be a pod's UID: a UUID, or whatever a static
// pod's manifest says.
func isUID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

// containerName returns what the name of a directory in a pod's says: the bare
// id, <runtime>-<id> or <runtime>-<id>.scope.
func containerName(name string) (runtime, id string, monitor bool) {
	name = strings.TrimSuffix(name, ".scope")
	if len(name) < idLen || !isID(name[len(name)-idLen:]) {
		return "", "", false
	}
	runtime, id = name[:len(name)-idLen], name[len(name)-idLen:]
	if runtime == "" {
		return "", id, false
	}
	runtime, ok := strings.CutSuffix(runtime, "-")
	if !ok || runtime == "" {
		return "", "", false
	}
	if r, ok := strings.CutSuffix(runtime+"-", "-"+conmon); ok {
		return r, id, true
	}
	return runtime, id, false
}

// podAndContainer reads the one name of a container whose runtime was given a
// systemd path and makes plain directories: <pod>.slice:<runtime>:<id>.
func podAndContainer(name string) (Place, bool) {
	f := strings.Split(name, ":")
	if len(f) != 3 || !isID(f[2]) {
		return Place{}, false
	}
	uid, ok := podName(f[0])
	if !ok {
		return Place{}, false
	}
	return Place{PodUID: uid, Runtime: f[1], ContainerID: f[2]}, true
}

const idLen = 64 // of a container's id, hex digits

func isID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == idLen
}

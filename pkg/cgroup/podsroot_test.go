package cgroup

import "testing"

func TestPodsRoot(t *testing.T) {
	tree := Tree{Root: "/sys/fs/cgroup"}
	for dir, want := range map[string]string{
		"kubepods/burstable/pod1-2/abc":                                             "kubepods",
		"kubepods.slice/kubepods-pod1_2.slice":                                      "kubepods.slice",
		"kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1_2.slice":        "kubelet.slice/kubelet-kubepods.slice",
		"system.slice/kubepods-besteffort-pod1_2.slice:cri-containerd:0123456789ab": "system.slice/kubepods-besteffort-pod1_2.slice:cri-containerd:0123456789ab",
		"elsewhere/pod1-2": "elsewhere/pod1-2",
	} {
		if got := tree.PodsRoot("/sys/fs/cgroup/" + dir); got != "/sys/fs/cgroup/"+want {
			t.Errorf("%s: %s, not %s", dir, got, want)
		}
	}
}

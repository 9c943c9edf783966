package e2e

import (
	"encoding/json"
	"path"
	"strings"
	"testing"
)

// pod is what these tests need of one.
type pod struct {
	Metadata struct{ Name, UID string }
	Status   struct {
		QOSClass              string `json:"qosClass"`
		ContainerStatuses     []containerStatus
		InitContainerStatuses []containerStatus
	}
}

type containerStatus struct{ Name, ContainerID string }

// change is a line of the program places.
type change struct {
	PodUID, ContainerID string
	Path                string
	ID                  uint64
	Gone                bool
}

// TestPlaces: what the API says of pods and containers is what pkg/cgroup finds on the node, from within a pod, as they come and go.
func TestPlaces(t *testing.T) {
	needCluster(t)
	kubectl(t, "apply", "-f", "testdata/places.yaml")
	t.Cleanup(func() {
		kubectl(t, "delete", "--ignore-not-found", "--timeout=5m", "-f", "testdata/places.yaml")
	})
	kubectl(t, "wait", "--for=condition=Ready", "pod/places", "pod/burstable", "pod/besteffort", "pod/guaranteed", "--timeout=5m")
	var pods struct{ Items []pod }
	get(t, &pods, "pod", "-l", "set=classes")
	if len(pods.Items) != 3 {
		t.Fatalf("%d pods", len(pods.Items))
	}
	want := map[string]string{} // container id to the pod's UID
	classes := map[string]bool{}
	for _, p := range pods.Items {
		classes[p.Status.QOSClass] = true
		for _, c := range append(p.Status.ContainerStatuses, p.Status.InitContainerStatuses...) {
			_, id, ok := strings.Cut(c.ContainerID, "://")
			if !ok {
				t.Fatalf("container %s of %s has the id %q", c.Name, p.Metadata.Name, c.ContainerID)
			}
			want[id] = p.Metadata.UID
		}
	}
	if len(want) != 6 || len(classes) != 3 {
		t.Fatalf("containers %v, classes %v", want, classes)
	}

	eventually(t, func() string {
		there, _ := places(t)
		for id, uid := range want {
			c, ok := there[id]
			// The init container's may have come and gone before the watcher ran.
			if !ok && isInit(pods.Items, id) {
				continue
			}
			if !ok || c.PodUID != uid || c.ID == 0 || path.Base(c.Path) != id {
				return "container " + id + " of " + uid + " is not told of"
			}
			if _, ok := there[uid]; !ok {
				return "pod " + uid + " is not told of"
			}
			t.Logf("%s is cgroup %d", c.Path, c.ID)
		}
		return ""
	})

	gone := pods.Items[0].Metadata
	kubectl(t, "delete", "pod", gone.Name, "--timeout=5m")
	eventually(t, func() string {
		there, went := places(t)
		if _, ok := there[gone.UID]; ok || !went[gone.UID] {
			return "pod " + gone.UID + " is not told of as gone"
		}
		return ""
	})
}

func isInit(pods []pod, id string) bool {
	for _, p := range pods {
		for _, c := range p.Status.InitContainerStatuses {
			if c.Name == "init" && strings.HasSuffix(c.ContainerID, id) {
				return true
			}
		}
	}
	return false
}

// places reads the log of the pod places: what is there now, by container id or pod UID, and what went.
func places(t *testing.T) (there map[string]change, went map[string]bool) {
	t.Helper()
	there, went = map[string]change{}, map[string]bool{}
	for line := range strings.Lines(kubectl(t, "logs", "places")) {
		var c change
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		key := c.ContainerID
		if key == "" {
			key = c.PodUID
		}
		if c.Gone {
			delete(there, key)
			went[key] = true
		} else {
			there[key] = c
		}
	}
	return there, went
}

package k8s

import "strings"

// What users write on their pods.
const (
	// PolicyLabel opts a pod in: the name of a ConfigMap in its namespace.
	PolicyLabel = "safeclaw.dev/policy"
	// ContainerPrefix begins the annotations that give one container another
	// policy; the container's name follows. Its value is a ConfigMap's name, or
	// NoPolicy.
	ContainerPrefix = PolicyLabel + "."
	// NoPolicy exempts a container whose name the operator lists.
	NoPolicy = "none"
)

// Names in the agent's own namespace.
const (
	SettingsName = "safeclaw-node"
	SettingsKey  = "safeclaw.node.yaml"
	FloorName    = "safeclaw-floor"
)

// EnforcingLabel is on the nodes whose kernel enforces.
const EnforcingLabel = "safeclaw.dev/enforcing"

// Annotations of the pods by which kubelets show what they run from files. The
// value, a hash, is the UID by which kubelet and runtime know the pod.
const (
	mirrorAnnotation = "kubernetes.io/config.mirror"
	hashAnnotation   = "kubernetes.io/config.hash"
)

// Ref names a ConfigMap that holds a policy, or a namespace.
type Ref struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// containerOf returns the container that an annotation is about.
func containerOf(annotation string) (name string, ok bool) {
	name, ok = strings.CutPrefix(annotation, ContainerPrefix)
	return name, ok && name != ""
}

package k8s

import "github.com/authensor/safeclaw-node-agent/pkg/policy"

// Desired is all that the cluster wants of this node. It is not changed once it
// was handed over.
type Desired struct {
	Settings *Settings
	Floor    *Source // the floor in force, or nil
	// DenyAll lets through what the baseline and the floor do.
	DenyAll *policy.Tables
	Pods    []PodPolicy // of this node, gated or not, by CgroupUID
	// Remembered says that the API server has not been heard of yet: this is what
	// the state directory remembers, and pods that are not in it are unknown.
	Remembered bool
	// Problems are what is wrong with settings and floor, in words. What was in
	// force before them is.
	Problems []string
}

// PodPolicy says how one pod is gated.
type PodPolicy struct {
	*Pod
	Gate *Gate // nil: not at all
	// Pending says that it is not known yet whether the pod is gated, or by what
	// the operator requires; Gate is what it asks for itself.
	Pending bool
}

// Gate is what a pod is gated by.
type Gate struct {
	Enforced                       // in the pod's own cgroup, so in every container that Containers does not name
	Containers map[string]Enforced // by container name
}

// Enforced is what one cgroup is gated by. Exactly one of Exempt and Tables is
// set.
type Enforced struct {
	Exempt bool // the operator lists this container, and the pod asks for it
	Tables *policy.Tables
	Policy Ref     // what the pod or the operator names
	Source *Source // what Tables were compiled from; nil where everything is denied but what the baseline allows
	// Denied says why everything is denied, Degraded why an older version of the
	// policy is in force. At most one is set.
	Denied, Degraded string
	// Pending says that the policy has not been asked for yet, or the answer is
	// under way: who can let the pod wait does.
	Pending bool
}

// Source is the text of a policy.
type Source struct {
	Ref  Ref
	YAML []byte
	Hash Hash // SHA-256 of YAML
}

// Notice is something that the owner of a pod should be told.
type Notice struct {
	Pod     *Pod
	Reason  string // one word, as Events have it
	Message string
	Warning bool
}

// Reasons of notices.
const (
	ReasonApplied      = "SafeClawPolicyApplied"
	ReasonRejected     = "SafeClawPolicyRejected"
	ReasonMissing      = "SafeClawPolicyMissing"
	ReasonUnreadable   = "SafeClawPolicyUnreadable"
	ReasonLabelIgnored = "SafeClawLabelIgnored"
	ReasonContainer    = "SafeClawContainerUnknown"
	ReasonExempt       = "SafeClawExemptionRefused"
	ReasonDenied       = "SafeClawDenied"
)

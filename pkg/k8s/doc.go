// Package k8s knows what the cluster wants of this node: which pods are gated,
// and by which policy. It is the only package that talks to Kubernetes.
//
// It watches the node's own pods, and by name each ConfigMap and namespace that
// they or the operator's settings refer to, so what it costs follows what the
// node runs. From these, and from what it remembers of each pod, it derives one
// value, Desired, and hands over a new one when something has changed, at most
// one at a time: who applies it slowly gets the last one next.
//
// What is unknown gates: a policy that is missing, bad or not readable leaves a
// pod that asks for one with what its baseline allows. What was once in force
// is not loosened by anything that a pod's owner can remove: a label, an
// annotation, a ConfigMap. Files in a state directory keep that knowledge over
// restarts, also when no API server answers.
package k8s

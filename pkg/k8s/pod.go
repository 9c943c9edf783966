package k8s

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Pod is what this package keeps of a pod of this node.
type Pod struct {
	Namespace, Name string
	UID             string // of the object in the API
	CgroupUID       string // by which kubelet and runtime know it; differs for static pods
	ServiceAccount  string
	RuntimeClass    string
	HostNetwork     bool
	DNSPolicy       string // as in the API; "" before it has answered
	Static          bool   // from a file of the node; what is in the API only shows it
	Ended           bool   // all its containers have ended for good
	IPs             []netip.Addr
	Containers      []Container
	Labels          map[string]string
	Annotations     map[string]string // ours
}

// Container is one of a pod's, of whatever kind.
type Container struct {
	Name  string
	Image string
	ID    string // without the runtime's name; "" before it was created
}

// podOf trims an object of the API to what is kept.
func podOf(o *corev1.Pod) *Pod {
	p := &Pod{
		Namespace: strings.Clone(o.Namespace), Name: strings.Clone(o.Name), UID: string(o.UID), CgroupUID: string(o.UID),
		ServiceAccount: o.Spec.ServiceAccountName, HostNetwork: o.Spec.HostNetwork,
		DNSPolicy: string(o.Spec.DNSPolicy),
		Ended:     o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed,
		Labels:    maps.Clone(o.Labels),
	}
	if o.Spec.RuntimeClassName != nil {
		p.RuntimeClass = *o.Spec.RuntimeClassName
	}
	if hash, ok := o.Annotations[mirrorAnnotation]; ok {
		p.Static = true
		if hash != "" {
			p.CgroupUID = hash
		}
	}
	for k, v := range o.Annotations {
		if _, ok := containerOf(k); ok {
			if p.Annotations == nil {
				p.Annotations = map[string]string{}
			}
			p.Annotations[k] = v
		}
	}
	for _, ip := range o.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			p.IPs = append(p.IPs, a.Unmap())
		}
	}
	ids := map[string]string{}
	for _, list := range [][]corev1.ContainerStatus{o.Status.InitContainerStatuses, o.Status.ContainerStatuses, o.Status.EphemeralContainerStatuses} {
		for _, s := range list {
			if _, id, ok := strings.Cut(s.ContainerID, "://"); ok {
				ids[s.Name] = strings.Clone(id)
			}
		}
	}
	add := func(name, image string) {
		p.Containers = append(p.Containers, Container{Name: strings.Clone(name), Image: strings.Clone(image), ID: ids[name]})
	}
	for i := range o.Spec.InitContainers {
		add(o.Spec.InitContainers[i].Name, o.Spec.InitContainers[i].Image)
	}
	for i := range o.Spec.Containers {
		add(o.Spec.Containers[i].Name, o.Spec.Containers[i].Image)
	}
	for i := range o.Spec.EphemeralContainers {
		add(o.Spec.EphemeralContainers[i].Name, o.Spec.EphemeralContainers[i].Image)
	}
	return p
}

// wish is what a pod's label and annotations ask for.
type wish struct {
	Policy     *string           `json:"policy,omitempty"` // nil: not opted in
	Containers map[string]string `json:"containers,omitempty"`
}

func (p *Pod) wish() wish {
	var w wish
	if v, ok := p.Labels[PolicyLabel]; ok {
		w.Policy = &v
	}
	for k, v := range p.Annotations {
		if c, ok := containerOf(k); ok {
			if w.Containers == nil {
				w.Containers = map[string]string{}
			}
			w.Containers[c] = v
		}
	}
	return w
}

func (w wish) equal(o wish) bool {
	return (w.Policy == nil) == (o.Policy == nil) && (w.Policy == nil || *w.Policy == *o.Policy) && maps.Equal(w.Containers, o.Containers)
}

func (p *Pod) container(name string) (Container, bool) {
	i := slices.IndexFunc(p.Containers, func(c Container) bool { return c.Name == name })
	if i < 0 {
		return Container{}, false
	}
	return p.Containers[i], true
}

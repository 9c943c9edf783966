package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/k8s"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// nodeResolvConfs are the files of the node that kubelets hand to pods which
// resolve as the node does: where systemd-resolved listens on loopback, the second.
var nodeResolvConfs = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// podNames is how the pods of a node resolve names. What a pod's own dnsConfig
// says does not count: whoever may make a pod could name a server of his own
// there, and so give any address an allowed name.
type podNames struct {
	own     string         // the agent's namespace
	cluster loader.Network // as the kubelet has told the agent's own pod
	node    loader.Network
}

// readPodNames reads the agent's own resolv.conf, which the kubelet has written as
// for every pod under ClusterFirst, and the node's.
func readPodNames(own, hostProc string) (podNames, error) {
	n := podNames{own: own}
	f, err := os.Open(resolvConf)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return n, fmt.Errorf("read the cluster's resolvers: %w", err)
	}
	if err == nil {
		n.cluster, err = readResolvConf(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return n, fmt.Errorf("read the cluster's resolvers: %w", err)
		}
	}
	for _, name := range nodeResolvConfs {
		f, err := openIn(filepath.Join(hostProc, "root"), name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("read the node's resolvers: %w", err)
		}
		found, err := readResolvConf(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return n, fmt.Errorf("read the node's resolvers: %w", err)
		}
		for _, a := range found.Resolvers {
			if !slices.Contains(n.node.Resolvers, a) && len(n.node.Resolvers) < loader.MaxResolvers {
				n.node.Resolvers = append(n.node.Resolvers, a)
			}
		}
		if len(n.node.Search) == 0 {
			n.node.Search = found.Search
		}
	}
	if !n.isCluster() {
		n.cluster = loader.Network{}
	}
	return n, nil
}

// openIn opens a file below another root, whose links stay below it.
func openIn(root, name string) (*os.File, error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := unix.Openat2(int(dir.Fd()), strings.TrimPrefix(name, "/"), &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(root, name), Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// isCluster says that the agent's own file is one as pods have it.
func (n *podNames) isCluster() bool {
	return slices.ContainsFunc(n.cluster.Search, func(d string) bool { return strings.HasPrefix(d, n.own+".svc.") })
}

// of says how one pod resolves names.
func (n *podNames) of(p *k8s.Pod, s *k8s.Settings) loader.Network {
	var out loader.Network
	asNode := p.DNSPolicy == "Default" || p.DNSPolicy == "ClusterFirst" && p.HostNetwork
	switch {
	case asNode:
		out.Search = slices.Clone(n.node.Search)
		for _, a := range n.node.Resolvers {
			// The pod's loopback is its own: it would answer itself.
			if p.HostNetwork || !a.IsLoopback() {
				out.Resolvers = append(out.Resolvers, a)
			}
		}
	default:
		out.Resolvers = slices.Clone(n.cluster.Resolvers)
		for _, d := range n.cluster.Search {
			if rest, ok := strings.CutPrefix(d, n.own+".svc."); ok {
				d = p.Namespace + ".svc." + rest
			}
			out.Search = append(out.Search, d)
		}
	}
	if len(s.Resolvers) > 0 {
		out.Resolvers = s.Resolvers
	}
	out.Search = append(out.Search, s.SearchDomains...)
	return out
}

// ipvsInterface carries the addresses of all services where kube-proxy uses IPVS:
// they are the cluster's, not the node's.
const ipvsInterface = "kube-ipvs0"

// nodeAddresses are those of the node, to which no name is bound. The agent is in
// the node's network namespace.
func nodeAddresses() ([]netip.Addr, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the node's addresses: %w", err)
	}
	var out []netip.Addr
	for _, l := range links {
		if l.Name == ipvsInterface {
			continue
		}
		addrs, err := l.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list the node's addresses: %w", err)
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				out = append(out, p.Addr().WithZone("").Unmap())
			}
		}
	}
	return out, nil
}

// names makes what a pod's tasks resolve by known to the kernel. It is false where
// they may ask nobody.
func (r *Reconciler) names(p *k8s.Pod, dir cgroup.Dir, id uint64) (bool, error) {
	if r.Names == nil {
		return false, nil
	}
	n, at := r.Names(p, dir.Path)
	if err := r.gate.ReadNames(at); err != nil {
		return false, err
	}
	return true, r.setNetwork(id, n)
}

// setNetwork tells the kernel what it does not know yet.
func (r *Reconciler) setNetwork(cgroup uint64, n loader.Network) error {
	old, ok := r.nets[cgroup]
	if ok && slices.Equal(old.Resolvers, n.Resolvers) && slices.Equal(old.Search, n.Search) {
		return nil
	}
	if err := r.gate.SetNetwork(cgroup, n); err != nil {
		return err
	}
	r.nets[cgroup] = n
	return nil
}

// forget removes, once, what agents before this one have said of cgroups that
// have gone.
func (r *Reconciler) forget(bound map[uint64]loader.Binding) error {
	if r.forgotten {
		return nil
	}
	ids, err := r.gate.Networks()
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if _, ok := bound[id]; ok || r.nets[id].Resolvers != nil {
			continue
		}
		left, err := r.gate.Armed(id)
		if err == nil && len(left) == 0 {
			err = r.gate.ForgetNetwork(id)
		}
		errs = append(errs, err)
	}
	r.forgotten = true
	return errors.Join(errs...)
}

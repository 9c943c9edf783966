package agent

import (
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/k8s"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// readNetwork reads anew, now and then, how the node resolves names and which
// addresses it has. What cannot be read leaves what was known.
func (d *daemon) readNetwork() error {
	if time.Since(d.resolved) < statusPeriod {
		return nil
	}
	addrs, err := nodeAddresses()
	if err != nil {
		return err
	}
	if err := d.gate.NeverBind(addrs); err != nil {
		return err
	}
	n, err := readPodNames(d.o.Namespace, d.o.HostProc)
	if err != nil {
		return err
	}
	d.resolving, d.resolved = n, time.Now()
	return nil
}

// names says how a pod resolves names, and where its queries are read: once for
// all pods, below the directory where the kubelet has them, so that a container
// is never started before it.
func (d *daemon) names(p *k8s.Pod, dir string) (loader.Network, string) {
	return d.resolving.of(p, d.settings), d.tree.PodsRoot(dir)
}

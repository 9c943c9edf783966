package network

import (
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// searches are those of resolvConf.
var searches = []string{"default.svc.cluster.local", "svc.cluster.local", "cluster.local", "node.example"}

// Between these are the rules of these tests' policies: the network alone is gated.
const (
	head = "version: 1\ndefaultAction: allow\nbaseline: none\naudit: {allow: count}\nrules:\n"
	tail = "  - {id: rest, action: network.request, decision: deny}\n"
)

// pod is a cgroup under a policy, in the pod's network namespace.
type pod struct {
	gate   *loader.Gate
	dir    string
	tables *policy.Tables
}

// newPod binds a cgroup to a policy. Its tasks may ask the resolvers.
func newPod(t *testing.T, rules string, resolvers ...string) *pod {
	t.Helper()
	p := &pod{gate: suite.Gate(t)}
	parsed, err := policy.Parse("policy.yaml", []byte(head+rules+tail))
	if err != nil {
		t.Fatal(err)
	}
	if p.tables, err = policy.Compile(parsed, policy.Options{}); err != nil {
		t.Fatal(err)
	}
	slot, err := p.gate.InstallPolicy(p.tables)
	if err != nil {
		t.Fatal(err)
	}
	if p.dir, err = os.MkdirTemp("/sys/fs/cgroup", "network-"); err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(p.dir, &st); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range []error{p.gate.Unbind(st.Ino), p.gate.Release(slot), p.gate.ForgetNetwork(st.Ino), os.Remove(p.dir)} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	n := loader.Network{Search: searches}
	for _, r := range resolvers {
		n.Resolvers = append(n.Resolvers, netip.MustParseAddr(r))
	}
	for _, err := range []error{
		p.gate.NeverBind([]netip.Addr{netip.MustParseAddr(podGateway), netip.MustParseAddr(podGateway6)}),
		p.gate.SetNetwork(st.Ino, n), p.gate.ReadNames(p.dir), p.gate.Bind(st.Ino, loader.BindAny|loader.BindNames, slot),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// run runs a command of the place gated, and returns what it says and what was decided of the network.
func (p *pod) run(t *testing.T, pl *place, argv ...string) (string, []*loader.Event) {
	t.Helper()
	dir, err := os.Open(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	var events []*loader.Event
	stop := make(chan struct{})
	var read sync.WaitGroup
	drain := func() {
		if err := p.gate.Drain(func(e *loader.Event) error {
			if e.Action == uint8(policy.KindHost) || e.Action == uint8(policy.KindAddr) {
				events = append(events, e)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	read.Go(func() {
		for {
			select {
			case <-stop:
				drain()
				return
			case <-time.After(20 * time.Millisecond):
				drain()
			}
		}
	})
	out := pl.start(t, func(cmd *exec.Cmd) {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}, argv)
	close(stop)
	read.Wait()
	return out, events
}

package policy

import (
	"fmt"
	"slices"
)

// BuiltinNames returns the built-in denials that a policy may relax, in the
// order of their bits in the tables: see docs/format/policy.md. New names go to
// the end.
func BuiltinNames() []string {
	return []string{
		"mount",          // mount, move and remount, new file system contexts
		"pivot_root",     // change what / is for the mount namespace
		"chroot",         // change what / is for the process
		"userns",         // new user namespaces
		"ptrace",         // ptrace, memory and descriptors of other processes of the pod
		"perf",           // perf_event_open
		"io_uring",       // io_uring
		"raw_sockets",    // raw and ping sockets
		"packet_sockets", // AF_PACKET and AF_XDP
		"vsock",          // AF_VSOCK
		"af_alg",         // AF_ALG, the kernel's crypto
		"netlink",        // netlink besides NETLINK_ROUTE
		"sctp",           // SCTP
		"keyrings",       // the kernel's key rings
		"kernel_files",   // files that act on the whole node
		"kernel_log",     // the kernel's log
		"block_devices",  // raw disks and volumes
		"devices",        // character devices that not every container has
		"mknod",          // nodes of devices
	}
}

// neverRelaxed are built-in denials without which nothing else would hold.
var neverRelaxed = []neverRelax{
	{"bpf", "a BPF program can change what the kernel enforces"},
	{"modules", "a kernel module can change what the kernel enforces"},
	{"kexec", "another kernel enforces nothing"},
	{"cgroupfs", "a process could leave the cgroup that the policy is bound to"},
	{"setns", "a process could enter a container that has another policy, or the host"},
	{"self_protection", "a process could change or stop the agent"},
	{"bpffs", "a process could change what the kernel enforces"},
	{"kernel_memory", "a process could read and change all that the kernel holds"},
	{"kernel_helpers", "the kernel would start programs outside of the container"},
}

type neverRelax struct{ name, why string }

// builtin reads {NAME: allow}.
func (p *parser) builtin(pol *Policy, n *ynode) {
	pol.given.builtin = true
	pol.builtinAt = map[string]Place{}
	names := BuiltinNames()
	var known []field
	for _, name := range names {
		known = append(known, field{name, func(n *ynode) {
			switch s, ok := p.word(n, "builtin "+name); {
			case ok && s == "allow":
				pol.Builtin = append(pol.Builtin, name)
				pol.builtinAt[name] = Place{n.line, n.col}
			case ok:
				p.fail(n, fmt.Sprintf("unknown decision %q", s), "write allow to relax the built-in denial, or leave it out")
			}
		}})
	}
	p.fields(p.relaxable(n), "builtin", known)
	slices.Sort(pol.Builtin)
}

// relaxable reports what can never be relaxed, and returns the rest of the map.
func (p *parser) relaxable(n *ynode) *ynode {
	rest := &ynode{kind: n.kind, line: n.line, col: n.col, text: n.text, tag: n.tag}
	if n.kind != yMap {
		return n
	}
	for i, key := range n.keys {
		j := slices.IndexFunc(neverRelaxed, func(never neverRelax) bool { return never.name == key.text })
		if j >= 0 {
			p.fail(key, fmt.Sprintf("%q can never be relaxed: %s", key.text, neverRelaxed[j].why), "leave it out")
			continue
		}
		rest.keys = append(rest.keys, key)
		rest.vals = append(rest.vals, n.vals[i])
	}
	return rest
}

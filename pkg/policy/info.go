package policy

import (
	"fmt"
	"strings"
)

// RuleInfo describes one rule number.
type RuleInfo struct {
	Name     string // "default", "builtin/...", an id or "rules[N]", "baseline/ID", "floor/ID"
	Origin   Origin
	Action   string // actions of the rule, separated by commas
	Decision Decision
	Reason   string
	Text     string // the rule in one line
	Line     int    // in the file of its origin, 0 for built-in rules
}

// fixedRules are the numbers below firstRule that are in use.
var fixedRules = []struct {
	name, text string
	decision   Decision
}{
	{"default", "", DecisionDeny},
	{"entrypoint", "what the container runtime starts", DecisionAudit},
	{"builtin/unresolvable", "no path that can be trusted", DecisionDeny},
	{"builtin/anonymous", "an object without a path", DecisionAllow},
	{"builtin/no-policy", "an armed task without readable tables", DecisionDeny},
	{"builtin/no-scratch", "no scratch slot was free", DecisionDeny},
	{"builtin/loopback", "loopback inside the pod's own network namespace", DecisionAllow},
	{"builtin/metadata", "metadata address that no rule names", DecisionDeny},
	{"builtin/socket-family", "a socket family or protocol without a verb", DecisionDeny},
	{"builtin/abstract-socket", "unix socket without a path, inside the pod", DecisionAllow},
	{"builtin/audit-loss", "the record could not be queued", DecisionDeny},
	{"builtin/internal", "the kernel side could not finish its work", DecisionDeny},
	{"builtin/subtree", "a directory whose content would come under other rules", DecisionDeny},
	{"builtin/cgroupfs", "a file that moves tasks between cgroups", DecisionDeny},
	{"builtin/kernel_helpers", "a file that has the kernel start programs", DecisionDeny},
	{"builtin/environment", "a program named by exe, with LD_... in its environment", DecisionDeny},
	{"builtin/identity", "a change of what the kernel says that a process executes", DecisionDeny},
	{"builtin/mount", "mount, unmount, remount, new file system contexts", DecisionDeny},
	{"builtin/pivot_root", "another root for the mount namespace", DecisionDeny},
	{"builtin/chroot", "another root for the process", DecisionDeny},
	{"builtin/userns", "a new user namespace", DecisionDeny},
	{"builtin/ptrace", "tracing, memory, descriptors or state of another process", DecisionDeny},
	{"builtin/inherited", "a descriptor from outside, open before the program began", DecisionDeny},
	{"builtin/message-queue", "a message queue, which has no path", DecisionDeny},
	{"builtin/fs-ioctl", "a file system's own command that changes or reaches files past their names", DecisionDeny},
	{"builtin/agent-loss", "the agent has been dead for too long", DecisionDeny},
	{"builtin/setns", "a namespace of another process", DecisionDeny},
	{"builtin/bpffs", "a file system of pinned BPF objects", DecisionDeny},
	{"builtin/kernel_files", "a file that acts on the whole node, or shows what others do", DecisionDeny},
	{"builtin/kernel_memory", "the kernel's memory", DecisionDeny},
	{"builtin/kernel_log", "the kernel's log", DecisionDeny},
	{"builtin/block_devices", "a disk or volume, past its file system", DecisionDeny},
	{"builtin/devices", "a device that not every container has", DecisionDeny},
	{"builtin/mknod", "a new name for a device", DecisionDeny},
	{"builtin/bpf", "bpf(2)", DecisionDeny},
	{"builtin/perf", "perf_event_open", DecisionDeny},
	{"builtin/modules", "a kernel module, or a key or policy for the kernel itself", DecisionDeny},
	{"builtin/kexec", "another kernel to boot, or a reboot", DecisionDeny},
	{"builtin/system", "the node's clock, ports or registers", DecisionDeny},
	{"builtin/io_uring", "a command or credentials by io_uring that no other hook sees", DecisionDeny},
	{"builtin/keyrings", "a key or key ring that is not the pod's own", DecisionDeny},
	{"builtin/signal", "a signal, limit or scheduling for a process outside", DecisionDeny},
	{"builtin/self-protection", "what enforcement itself stands on: its maps, programs, pins, log and process", DecisionDeny},
	{"builtin/resolver", "port 53: the pod's own resolvers, over UDP", DecisionDeny},
	{"builtin/dns", "a DNS query that is no plain one, or that dns: does not allow", DecisionDeny},
	{"builtin/route", "a UDP socket that was connected for its route sends", DecisionDeny},
}

func (s *ruleSet) info() []RuleInfo {
	out := make([]RuleInfo, firstRule, firstRule+len(s.floor)+len(s.user)+len(s.standard))
	for i := range out {
		out[i] = RuleInfo{Name: fmt.Sprintf("builtin/reserved-%d", i)}
		if i < len(fixedRules) {
			f := fixedRules[i]
			out[i] = RuleInfo{Name: f.name, Decision: f.decision, Text: f.text}
		}
	}
	out[ruleDefault].Decision = s.pol.DefaultAction
	out[ruleDefault].Text = "defaultAction: " + s.pol.DefaultAction.String()
	for _, rules := range [][]numbered{s.floor, s.user, s.standard} {
		for _, r := range rules {
			out = append(out, RuleInfo{
				Name: r.name(), Origin: r.origin, Action: r.Actions.String(),
				Decision: r.Decision, Reason: r.Reason, Text: r.Text(), Line: r.Line,
			})
		}
	}
	return out
}

// Name returns the rule's id, or "rules[N]".
func (r *Rule) Name() string {
	if r.ID == "" {
		return fmt.Sprintf("rules[%d]", r.Index)
	}
	return r.ID
}

func (r numbered) name() string {
	name := r.Name()
	if r.origin != OriginUser {
		name = r.origin.String() + "/" + name
	}
	return name
}

// String lists the actions, separated by commas.
func (s ActionSet) String() string {
	var names []string
	if s&fileActions == fileActions {
		names = append(names, allFileActions)
		s &^= fileActions
	}
	for a := range Action(numActions) {
		if s.Has(a) {
			names = append(names, a.String())
		}
	}
	return strings.Join(names, ",")
}

// Text returns the rule in one line, such as
// "allow file.read path glob /app/data/**".
func (r *Rule) Text() string {
	parts := []string{r.Decision.String(), r.Actions.String()}
	for _, m := range []struct {
		field string
		m     *Matcher
	}{{"path", r.Path}, {"command", r.Command}, {"host", r.Host}, {"exe", r.Exe}} {
		if m.m != nil {
			for _, c := range m.m.Conditions {
				parts = append(parts, m.field, c.Operator.String(), list(c.Values))
			}
		}
	}
	if r.hasCIDRs {
		parts = append(parts, "cidr", list(texts(r.CIDRs)))
	}
	if r.hasPorts {
		parts = append(parts, "port", list(texts(r.Ports)))
	}
	if r.hasProtocols {
		parts = append(parts, "protocol", list(protocolNames(r.Protocols)))
	}
	return strings.Join(parts, " ")
}

// String returns "443" or "8000-9000".
func (p PortRange) String() string {
	if p.Low == p.High {
		return fmt.Sprint(p.Low)
	}
	return fmt.Sprintf("%d-%d", p.Low, p.High)
}

func texts[T fmt.Stringer](in []T) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = v.String()
	}
	return out
}

func protocolNames(protocols []uint8) []string {
	var out []string
	for _, p := range protocols {
		out = append(out, map[uint8]string{protoTCP: "tcp", protoUDP: "udp"}[p])
	}
	return out
}

// list joins values and cuts a long list short.
func list(values []string) string {
	const most = 4
	if len(values) == 1 {
		return values[0]
	}
	if len(values) > most {
		rest := len(values) - most
		return "[" + strings.Join(values[:most], ", ") + fmt.Sprintf(", %d more]", rest)
	}
	return "[" + strings.Join(values, ", ") + "]"
}

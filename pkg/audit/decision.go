// SPDX-License-Identifier: MIT

package audit

// Verdict is what happened to an action.
type Verdict string

const (
	Allow     Verdict = "allow"      // allowed, recorded one by one
	Deny      Verdict = "deny"       // refused; Errno is what the program saw
	WouldDeny Verdict = "would-deny" // allowed because the policy only observes, or enforcement is switched off
	Audit     Verdict = "audit"      // allowed by a rule that asks for a record
)

// Decision is one verdict of the kernel, or of the agent where KSeq is zero.
// Empty texts and zero identities are left out of the line.
type Decision struct {
	Verdict Verdict
	Action  string // as in policies: "file.read", "network.request", ...
	Hook    string // LSM hook that decided: "file_open", ...

	CPU        uint32
	KSeq       uint64 // kernel sequence number on that CPU, from 1; 0: not from the kernel
	KernelTime uint64 // boottime at the decision in nanoseconds

	Subject   []byte // path, or "addr:port/proto" for network requests; any bytes
	SubjectID FileID
	Class     string // what the subject belongs to: "root", "volume", "own-net", "node-net"
	Network   Network

	Rule       string // id of the rule that decided
	RuleNumber uint32 // its number in the compiled table
	Reason     string // the rule's reason, for people
	Errno      uint16 // what the program saw; 0 if allowed
	Disabled   bool   // of a would-deny: enforcement was switched off

	Process  Process
	Parent   Parent
	CgroupID uint64
	Pod      Pod
	Policy   Policy
}

// Network is the peer of a network request. It repeats what Subject says in
// fields of its own.
type Network struct {
	Addr     string // textual IP address
	Port     uint16
	Protocol string // "tcp", "udp"

	// Of a connection, by which name it was judged and how that was learned; of a
	// DNS query, the name that it asks for.
	Name     string
	Asked    uint64 // boottime in nanoseconds of the query
	Resolver string // "addr:port" of whoever answered
	TTL      uint32 // seconds for which the name still counted
	Query    string // of a DNS query: its type, "A", "TXT" or "TYPE4711"
	Refusal  string // ... why it was refused beside the rules
}

// Process is who acted. PID and start time together name a process for as long
// as the machine is up.
type Process struct {
	PID, TID  uint32 // in the node's pid namespace
	StartTime uint64 // boottime in nanoseconds
	UID, GID  uint32 // in the node's user namespace
	Comm      []byte // as the kernel has it; a program can change it at will
	Exe       []byte // path of the executable
	ExeID     FileID
}

// Parent is the process that the actor's parent was at the decision.
type Parent struct {
	PID       uint32
	StartTime uint64 // boottime in nanoseconds
	Comm      []byte
}

// Pod says for whom the process works. All of it is optional.
type Pod struct {
	UID, Namespace, Name string
	Container            string // name in the pod
	ContainerID          string
	Image                string // digest
}

// Policy names a policy by what was written and by what was loaded.
type Policy struct {
	Name       string
	SourceHash Hash // of the policy's source bytes
	TableHash  Hash // of the compiled table
}

func (d *Decision) Kind() string   { return KindDecision }
func (d *Decision) critical() bool { return d.Verdict == Deny }

func (d *Decision) appendFields(e *encoder) {
	e.name("verdict", string(d.Verdict))
	e.name("action", d.Action)
	e.name("hook", d.Hook)
	e.uint("cpu", uint64(d.CPU))
	e.uint("kseq", d.KSeq)
	e.uint("ktime", d.KernelTime)
	d.appendIdentity(e)
	if d.Errno != 0 {
		e.uint("errno", uint64(d.Errno))
	}
	if d.Disabled {
		e.key("disabled")
		e.b = append(e.b, "true"...)
	}
	d.appendActors(e)
}

func (d *Decision) appendIdentity(e *encoder) {
	text(e, "subject", d.Subject, true)
	d.SubjectID.appendTo(e, "subject_id")
	text(e, "class", d.Class, false)
	d.Network.appendTo(e)
	text(e, "rule", d.Rule, false)
	e.uint("rule_number", uint64(d.RuleNumber))
	text(e, "reason", d.Reason, false)
}

func (n *Network) appendTo(e *encoder) {
	if n.Addr != "" {
		text(e, "addr", n.Addr, false)
		e.uint("port", uint64(n.Port))
		text(e, "protocol", n.Protocol, false)
	}
	text(e, "name", n.Name, false)
	if n.Asked != 0 {
		e.uint("asked", n.Asked)
		text(e, "resolver", n.Resolver, false)
		e.uint("ttl", uint64(n.TTL))
	}
	text(e, "query", n.Query, false)
	text(e, "refusal", n.Refusal, false)
}

func (d *Decision) appendActors(e *encoder) {
	d.Process.appendTo(e)
	d.Parent.appendTo(e)
	e.uint("cgroup_id", d.CgroupID)
	d.Pod.appendTo(e)
	d.Policy.appendTo(e)
}

func (p *Parent) appendTo(e *encoder) {
	if p.PID == 0 {
		return
	}
	e.open("parent")
	e.uint("pid", uint64(p.PID))
	e.uint("start", p.StartTime)
	text(e, "comm", p.Comm, false)
	e.close()
}

func (p *Process) appendTo(e *encoder) {
	e.open("process")
	e.uint("pid", uint64(p.PID))
	e.uint("tid", uint64(p.TID))
	e.uint("start", p.StartTime)
	e.uint("uid", uint64(p.UID))
	e.uint("gid", uint64(p.GID))
	text(e, "comm", p.Comm, false)
	text(e, "exe", p.Exe, false)
	p.ExeID.appendTo(e, "exe_id")
	e.close()
}

func (p *Pod) appendTo(e *encoder) {
	if *p == (Pod{}) {
		return
	}
	e.open("pod")
	text(e, "uid", p.UID, false)
	text(e, "namespace", p.Namespace, false)
	text(e, "name", p.Name, false)
	text(e, "container", p.Container, false)
	text(e, "container_id", p.ContainerID, false)
	text(e, "image", p.Image, false)
	e.close()
}

func (p *Policy) appendTo(e *encoder) {
	e.open("policy")
	text(e, "name", p.Name, true)
	e.hash("source", p.SourceHash)
	e.hash("table", p.TableHash)
	e.close()
}

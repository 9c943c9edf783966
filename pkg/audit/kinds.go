// SPDX-License-Identifier: MIT

package audit

// Counted stands for Count allowed actions that differ in nothing but time.
// CPU, KSeq, KernelTime and Errno of the decision are not written: a counted
// allow takes no kernel sequence number.
type Counted struct {
	Decision
	Count       uint64
	First, Last uint64 // boottime of the first and last of them in nanoseconds
}

func (c *Counted) Kind() string   { return KindCounted }
func (c *Counted) critical() bool { return false }

func (c *Counted) appendFields(e *encoder) {
	e.name("verdict", string(c.Verdict))
	e.name("action", c.Action)
	e.name("hook", c.Hook)
	e.uint("count", c.Count)
	e.uint("first", c.First)
	e.uint("last", c.Last)
	c.appendIdentity(e)
	c.appendActors(e)
}

// PolicyApplied says that a policy decides from here on.
type PolicyApplied struct {
	Policy   Policy
	Mode     string // "enforce" or "observe"
	Baseline string // "image", "runtime" or "none"
}

func (*PolicyApplied) Kind() string   { return KindPolicyApplied }
func (*PolicyApplied) critical() bool { return true }

func (p *PolicyApplied) appendFields(e *encoder) {
	p.Policy.appendTo(e)
	e.name("mode", p.Mode)
	e.name("baseline", p.Baseline)
}

// PolicyRejected says that a policy that was offered does not come into force.
type PolicyRejected struct {
	Policy Policy // TableHash is zero if it did not compile
	Reason string
}

// Kind implements [Record].
func (*PolicyRejected) Kind() string   { return KindPolicyRejected }
func (*PolicyRejected) critical() bool { return true }

func (p *PolicyRejected) appendFields(e *encoder) {
	p.Policy.appendTo(e)
	text(e, "reason", p.Reason, true)
}

// PolicyRemoved says that a policy decides no longer.
type PolicyRemoved struct {
	Policy Policy
	Reason string
}

func (*PolicyRemoved) Kind() string   { return KindPolicyRemoved }
func (*PolicyRemoved) critical() bool { return true }

func (p *PolicyRemoved) appendFields(e *encoder) {
	p.Policy.appendTo(e)
	text(e, "reason", p.Reason, false)
}

// Binding says that a cgroup came under a policy, or left it. It is written as
// pod.claimed or pod.released.
type Binding struct {
	Released   bool
	CgroupPath []byte // the subject
	CgroupID   uint64
	Delay      int64 // nanoseconds from the cgroup's first process to the binding
	Pod        Pod
	Policy     Policy
}

func (b *Binding) Kind() string {
	if b.Released {
		return KindPodReleased
	}
	return KindPodClaimed
}

func (*Binding) critical() bool { return true }

func (b *Binding) appendFields(e *encoder) {
	text(e, "subject", b.CgroupPath, true)
	e.uint("cgroup_id", b.CgroupID)
	e.int("delay", b.Delay)
	b.Pod.appendTo(e)
	b.Policy.appendTo(e)
}

package policy

import "net/netip"

// Query is one action, as people and tools ask about it.
type Query struct {
	Action  Action
	Path    string // files: what is acted on; exec: the program
	Mounted bool   // Path lies on a mounted volume
	NoPath  bool   // exec: a deleted or in-memory program
	Args    []string
	Exe     string // executable of the acting process; "": not known

	Host        string     // network: the name that is asked for
	Addr        netip.Addr // network: not valid for any public address
	Port        uint16     // 0: 443
	Protocol    uint8      // IP protocol number, 0: TCP
	HostNetwork bool       // the pod shares the node's network namespace
}

// anyPublic stands for an address that nobody named: of the range that is for
// documentation (RFC 5737), so no rule is about it by accident.
var anyPublic = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// Answer is the verdict on a query. A connection by name needs two: the name
// must be resolved, and the address that it is bound to connected.
type Answer struct {
	Verdict
	Resolve, Connect *Verdict // network: those that were asked
}

// Ask answers a query. What it does not say is not known: see Classes.
func (t *Tables) Ask(q Query) Answer {
	var c Classes
	if q.Exe != "" {
		c.Exe = t.Classify(KindExe, PathSubject(false, q.Exe))
	}
	if q.Action == ActionNetwork {
		return t.askNetwork(q, c)
	}
	subject := PathSubject(q.Mounted, q.Path)
	if q.NoPath {
		subject = NoPathSubject()
	}
	k := map[Action]Kind{
		ActionRead: KindRead, ActionWrite: KindWrite, ActionDelete: KindDelete, ActionExec: KindExec, ActionMap: KindMap,
	}[q.Action]
	if k == KindExec {
		c.Command = t.Classify(KindCommand, appendArgs(subject[:len(subject):len(subject)], q.Args))
	}
	return Answer{Verdict: t.MatchIn(k, subject, c)}
}

func (t *Tables) askNetwork(q Query, c Classes) Answer {
	var a Answer
	if q.Host != "" {
		name := HostSubject(q.Host)
		v := t.MatchIn(KindHost, name, c)
		a.Resolve = &v
		c.Name = t.Classify(KindName, name)
	}
	if !q.Addr.IsValid() {
		q.Addr = anyPublic
	}
	if q.Port == 0 {
		q.Port = 443
	}
	if q.Protocol == 0 {
		q.Protocol = protoTCP
	}
	v := t.MatchIn(KindAddr, AddrSubject(q.HostNetwork, q.Addr, q.Protocol, q.Port), c)
	a.Connect = &v
	a.Verdict = v
	if a.Resolve != nil && !a.Resolve.Allow {
		a.Verdict = *a.Resolve
	}
	return a
}

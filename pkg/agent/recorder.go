// Package agent wires the rooms: decisions of the kernel become records of the
// log, a policy and a cgroup become a gated run.
package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// appender is the log as the recorder uses it.
type appender interface {
	Append(audit.Record) error
	// KeepSource stores the source of a policy once, by its hash.
	KeepSource(source []byte) error
	// Crowded says that the log's queue is nearly full.
	Crowded() bool
}

// Recorder turns kernel events into audit records. It is used by one goroutine.
type Recorder struct {
	log      appender
	mu       sync.RWMutex       // of policies and strict: policies may become known while events come
	policies map[uint64]applied // by table id
	exes     *names             // of executables
	subjects *names
	// Denied, if set, is called for each denial and would-denial.
	Denied func(*audit.Decision)
	// Pod, if set, says whose a cgroup is.
	Pod func(cgroup uint64) audit.Pod

	seen map[uint32]*sequence        // kernel sequence numbers that came, by CPU
	lost map[uint32][]audit.SeqRange // came, but the log's queue was full
	// countedLost were taken from the kernel, but the log's queue was full.
	countedLost uint64
	owed        []*audit.Loss // declarations for which the queue had no room
	// restart has the numbers up to which an agent before this one may have lost some.
	restart map[uint32]uint64

	strict bool // some policy would rather deny than lose a record

	guardHeld map[uint32]uint64 // touches that were counted only, as far as the log says, by CPU
	dirs      map[uint64]string // protected directories by inode number
}

type applied struct {
	tables *policy.Tables
	ref    audit.Policy
}

// NewRecorder returns a recorder that appends to log.
func NewRecorder(log appender) *Recorder {
	return &Recorder{
		log: log, policies: map[uint64]applied{}, exes: newNames(), subjects: newNames(),
		seen: map[uint32]*sequence{}, lost: map[uint32][]audit.SeqRange{}, restart: map[uint32]uint64{},
		guardHeld: map[uint32]uint64{}, dirs: map[uint64]string{},
	}
}

// know makes a policy's names known.
func (r *Recorder) know(name string, t *policy.Tables) applied {
	a := applied{tables: t, ref: audit.Policy{Name: name, SourceHash: t.SourceHash, TableHash: t.Hash}}
	r.mu.Lock()
	r.strict = r.strict || t.AuditLossDeny
	r.policies[t.ID] = a
	r.mu.Unlock()
	return a
}

// nextLoad begins with the numbers of other programs.
func (r *Recorder) nextLoad() {
	clear(r.seen)
	clear(r.lost)
	clear(r.restart)
	r.countedLost, r.owed = 0, nil
}

// Apply makes a policy's names known and records that it decides from here on.
func (r *Recorder) Apply(name string, t *policy.Tables) error {
	if err := r.log.KeepSource(t.Source); err != nil {
		return fmt.Errorf("keep the source of policy %s: %w", name, err)
	}
	a := r.know(name, t)
	mode := "enforce"
	if t.Observe {
		mode = "observe"
	}
	return r.log.Append(&audit.PolicyApplied{Policy: a.ref, Mode: mode, Baseline: t.Baseline})
}

// actions names the language's action for each automaton.
var actions = [...]string{"file.read", "file.write", "file.delete", "process.exec", "process.exec", "network.request", "network.request"}

// actionName is the language's word for an automaton's kind, and "system" for
// acts for which it has none.
func actionName(kind uint8) string {
	switch {
	case int(kind) < len(actions):
		return actions[kind]
	case policy.Kind(kind) == policy.KindSystem:
		return policy.KindSystem.String()
	}
	return "unknown"
}

// exe is the path of an executable; of one whose name is not known its hash, and
// nil where there is none: the task was armed while it ran.
func (r *Recorder) exe(id uint64) []byte {
	name := r.exes.get(id)
	if name == nil && id != 0 {
		return fmt.Appendf(nil, "executable #%016x", id)
	}
	return name
}

// From tells the counters of programs that were loaded earlier: what they
// numbered before belongs to other logs.
func (r *Recorder) From(base []loader.CPUStats) {
	for _, c := range base {
		r.tracker(uint32(c.CPU)).next = c.Seq + 1
		r.guardHeld[uint32(c.CPU)] = c.GuardHeld
	}
}

// Continue tells what a log says already about the programs, and their counters
// now: what was numbered up to these and is in neither ring nor log was lost
// with the agent before.
func (r *Recorder) Continue(s audit.Standing, now []loader.CPUStats) {
	for _, c := range s.CPUs {
		t := r.tracker(c.CPU)
		t.next, t.gaps = c.Last+1, slices.Clone(c.Missing)
	}
	for _, c := range now {
		r.restart[uint32(c.CPU)] = c.Seq
	}
}

// errCrowded says that the ring had better wait: the log has little room, and a
// policy says that what cannot be recorded is not to happen. The kernel denies
// when the ring is full.
var errCrowded = errors.New("the audit log has little room")

// Event records one decision. An error other than a full queue and errCrowded is
// final; the event is recorded with errCrowded too.
func (r *Recorder) Event(e *loader.Event) error {
	r.tracker(e.CPU).add(e.Seq)
	if e.Touch != nil {
		return r.put(e, r.touch(e))
	}
	d := r.decision(e)
	if e.Address.IsValid() && e.Verdict == loader.Allow && e.SubjectID != 0 {
		r.subjects.put(e.SubjectID, d.Subject)
	}
	if len(e.Subject) > 0 {
		if e.Verdict == loader.Allow && e.SubjectID != 0 {
			r.subjects.put(e.SubjectID, e.Subject)
		}
		if (e.Hook == "bprm_check_security" || e.Hook == "bprm_committed_creds") && e.Verdict != loader.Deny {
			r.exes.put(e.SubjectID, e.Subject)
		}
	}
	if r.Denied != nil && (d.Verdict == audit.Deny || d.Verdict == audit.WouldDeny) {
		r.Denied(d)
	}
	return r.put(e, d)
}

// eventAnyway is Event for a reader that does not hold.
func (r *Recorder) eventAnyway(e *loader.Event) error {
	if err := r.Event(e); !errors.Is(err, errCrowded) {
		return err
	}
	return nil
}

// put appends what became of an event; a full queue costs the event, which is
// declared lost.
func (r *Recorder) put(e *loader.Event, rec audit.Record) error {
	err := r.log.Append(rec)
	if errors.Is(err, audit.ErrQueueFull) {
		r.lost[e.CPU] = addSeq(r.lost[e.CPU], e.Seq)
		return nil
	}
	if err != nil {
		return fmt.Errorf("append decision: %w", err)
	}
	r.mu.RLock()
	strict := r.strict
	r.mu.RUnlock()
	if strict && r.log.Crowded() {
		return errCrowded
	}
	return nil
}

// addSeq extends the last range or begins a new one.
func addSeq(rs []audit.SeqRange, n uint64) []audit.SeqRange {
	if k := len(rs); k > 0 && rs[k-1].To+1 == n {
		rs[k-1].To = n
		return rs
	}
	return append(rs, audit.SeqRange{From: n, To: n})
}

func (r *Recorder) decision(e *loader.Event) *audit.Decision {
	d := &audit.Decision{
		Verdict: audit.Allow, Action: actionName(e.Action), Hook: e.Hook, CPU: e.CPU, KSeq: e.Seq, KernelTime: uint64(e.Time),
		Subject: e.Subject, Class: e.Class, Errno: uint16(-e.Errno), CgroupID: e.Cgroup, RuleNumber: uint32(e.Rule),
		Process: audit.Process{
			PID: e.PID, TID: e.TID, StartTime: uint64(e.StartTime), UID: e.UID, GID: e.GID,
			Comm: []byte(e.Comm), Exe: r.exe(e.ExeID),
		},
		Parent: audit.Parent{PID: e.Parent.PID, StartTime: uint64(e.Parent.StartTime), Comm: []byte(e.Parent.Comm)},
	}
	if e.Address.IsValid() {
		d.Network = connection(e)
		d.Subject = []byte(addressText(e.Address, e.Protocol))
	}
	if e.Query != nil {
		d.Network = audit.Network{Name: string(e.Subject), Query: policy.DNSTypeName(e.Query.Type), Refusal: e.Query.Refusal}
	}
	rule := r.rule(e.TableID, e.Rule, d)
	switch e.Verdict {
	case loader.Deny:
		d.Verdict = audit.Deny
	case loader.WouldDeny:
		d.Verdict = audit.WouldDeny
	case loader.SwitchedOff:
		d.Verdict, d.Disabled = audit.WouldDeny, true
	default:
		if rule.Decision == policy.DecisionAudit {
			d.Verdict = audit.Audit
		}
	}
	return d
}

// connection says whom a task connected or sent to, and by which name.
func connection(e *loader.Event) audit.Network {
	n := audit.Network{Addr: e.Address.Addr().String(), Port: e.Address.Port(), Protocol: protocolName(e.Protocol)}
	if e.Name.Name != "" {
		n.Name, n.Asked, n.Resolver = e.Name.Name, uint64(e.Name.Asked), e.Name.Resolver.String()
		n.TTL = uint32(max(0, (e.Name.Expires-e.Time)/time.Second))
	}
	return n
}

// builtinRules name the rule numbers of an armed task without readable tables.
var builtinRules = map[uint16]string{4: "builtin/no-policy"}

// rule fills the decision's rule and policy.
func (r *Recorder) rule(table uint64, n uint16, d *audit.Decision) policy.RuleInfo {
	r.mu.RLock()
	a, ok := r.policies[table]
	r.mu.RUnlock()
	if r.Pod != nil {
		d.Pod = r.Pod(d.CgroupID)
	}
	if !ok || int(n) >= len(a.tables.Rules) {
		d.Rule = builtinRules[n]
		if d.Rule == "" {
			d.Rule = fmt.Sprintf("rule %d of unknown tables %016x", n, table)
		}
		return policy.RuleInfo{}
	}
	info := a.tables.Rules[n]
	d.Rule, d.Reason, d.Policy = info.Name, info.Reason, a.ref
	return info
}

func protocolName(p uint8) string {
	switch p {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	}
	return fmt.Sprintf("protocol-%d", p)
}

func addressText(a netip.AddrPort, p uint8) string { return a.String() + "/" + protocolName(p) }

// Counted records the counted allows of an interval.
func (r *Recorder) Counted(cs []loader.Counted) error {
	for _, c := range cs {
		if c.Count == 0 {
			continue // the only one of its kind was recorded on its own
		}
		rec := &audit.Counted{Count: c.Count, First: uint64(c.First), Last: uint64(c.Last)}
		rec.Decision = audit.Decision{
			Verdict: audit.Allow, Action: actionName(c.Action), Hook: c.Hook, Class: c.Class,
			Subject: r.subjects.get(c.SubjectID), RuleNumber: uint32(c.Rule), CgroupID: c.Cgroup,
			Process: audit.Process{Exe: r.exe(c.ExeID)},
		}
		if rec.Subject == nil {
			rec.Subject = fmt.Appendf(nil, "subject #%016x", c.SubjectID)
		}
		r.rule(c.TableID, c.Rule, &rec.Decision)
		err := r.log.Append(rec)
		if errors.Is(err, audit.ErrQueueFull) {
			r.countedLost += c.Count
		} else if err != nil {
			return fmt.Errorf("append counted allows: %w", err)
		}
	}
	return nil
}

// Counters declares as lost what the kernel numbered up to the counters confirmed
// and what never came, and what the log's queue refused. Call it with counters
// that were read before the ring was last drained.
func (r *Recorder) Counters(confirmed []loader.CPUStats) error {
	owed := r.owed
	r.owed = nil
	for _, l := range owed {
		if err := r.lose(l); err != nil {
			return err
		}
	}
	if n := r.countedLost; n > 0 {
		r.countedLost = 0
		if err := r.lose(&audit.Loss{Reason: lossQueue, Counted: n}); err != nil {
			return err
		}
	}
	for _, c := range confirmed {
		cpu := uint32(c.CPU)
		if err := r.held(cpu, c.GuardHeld); err != nil {
			return err
		}
		before, gaps := splitRanges(r.tracker(cpu).missing(c.Seq), r.restart[cpu])
		if err := r.declare(cpu, lossRestart, before); err != nil {
			return err
		}
		if err := r.declare(cpu, "ring-full", gaps); err != nil {
			return err
		}
		if refused := r.lost[cpu]; len(refused) > 0 {
			if err := r.declare(cpu, lossQueue, refused); err != nil {
				return err
			}
			delete(r.lost, cpu)
		}
	}
	return nil
}

// lossRestart is the reason of losses between one agent's death and the next
// one's start: the ring overflowed, or the agent took a record and did not live
// to write it.
const lossRestart = "agent-restart"

// lossQueue is the reason of losses of an agent whose log has no room: its disk is
// too slow, full or gone.
const lossQueue = "queue-full"

// splitRanges parts ascending ranges into the numbers up to last and the others.
func splitRanges(rs []audit.SeqRange, last uint64) (upTo, beyond []audit.SeqRange) {
	for _, r := range rs {
		if r.From <= last {
			upTo = append(upTo, audit.SeqRange{From: r.From, To: min(r.To, last)})
		}
		if r.To > last {
			beyond = append(beyond, audit.SeqRange{From: max(r.From, last+1), To: r.To})
		}
	}
	return upTo, beyond
}

// countsLost declares that an agent before this one took n counted allows from
// the kernel and did not live to write them.
func (r *Recorder) countsLost(n uint64) error {
	return r.lose(&audit.Loss{Reason: lossRestart, Counted: n})
}

// lose declares a loss, or remembers it until the log has room for that.
func (r *Recorder) lose(l *audit.Loss) error {
	err := r.log.Append(l)
	if errors.Is(err, audit.ErrQueueFull) {
		r.owed = append(r.owed, l)
		return nil
	}
	if err != nil {
		return fmt.Errorf("append loss: %w", err)
	}
	return nil
}

// rangesPerRecord keeps a loss record well below the log's line limit.
const rangesPerRecord = 200

func (r *Recorder) declare(cpu uint32, reason string, ranges []audit.SeqRange) error {
	for len(ranges) > 0 {
		n := min(len(ranges), rangesPerRecord)
		if err := r.lose(&audit.Loss{CPU: cpu, Reason: reason, Ranges: ranges[:n]}); err != nil {
			return err
		}
		ranges = ranges[n:]
	}
	return nil
}

func (r *Recorder) tracker(cpu uint32) *sequence {
	s := r.seen[cpu]
	if s == nil {
		s = &sequence{next: 1}
		r.seen[cpu] = s
	}
	return s
}

// auditCounters is the log's form of the kernel's counters.
func auditCounters(stats []loader.CPUStats) []audit.CPUCounters {
	out := make([]audit.CPUCounters, len(stats))
	for i, s := range stats {
		out[i] = audit.CPUCounters{CPU: uint32(s.CPU), Seq: s.Seq, Emitted: s.Emitted, Counted: s.Counted, Lost: s.Lost}
	}
	return out
}

package agent

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// memLog keeps records, and refuses while it is told to.
type memLog struct {
	records []audit.Record
	refuse  error
	crowded bool
	sources [][]byte
}

func (m *memLog) KeepSource(s []byte) error {
	m.sources = append(m.sources, s)
	return nil
}

func (m *memLog) Crowded() bool { return m.crowded }

func (m *memLog) Append(r audit.Record) error {
	if m.refuse != nil {
		return m.refuse
	}
	m.records = append(m.records, r)
	return nil
}

// last is the newest record, of a type.
func last[T audit.Record](t *testing.T, m *memLog) T {
	t.Helper()
	if len(m.records) == 0 {
		t.Fatal("nothing was recorded")
	}
	r, ok := m.records[len(m.records)-1].(T)
	if !ok {
		t.Fatalf("the last record is a %T", m.records[len(m.records)-1])
	}
	return r
}

const source = `version: 1
rules:
  - {id: data, action: file.*, path: /data/**, decision: allow}
  - {id: seen, action: file.*, path: /seen/**, decision: audit, reason: we look}
  - {id: net, action: network.request, cidr: 10.0.0.0/8, decision: allow}
`

func newRecorder(t *testing.T, mode string) (*Recorder, *memLog, *policy.Tables, func(string) uint16) {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	tb, err := policy.Compile(p, policy.Options{Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	log := &memLog{}
	r := NewRecorder(log)
	if err := r.Apply("p.yaml", tb); err != nil {
		t.Fatal(err)
	}
	return r, log, tb, func(name string) uint16 {
		for i, info := range tb.Rules {
			if info.Name == name {
				return uint16(i)
			}
		}
		t.Fatalf("no rule %s", name)
		return 0
	}
}

func TestApply(t *testing.T) {
	for mode, want := range map[string]string{"": "enforce", "observe": "observe"} {
		_, log, tb, _ := newRecorder(t, mode)
		a := last[*audit.PolicyApplied](t, log)
		ref := audit.Policy{Name: "p.yaml", SourceHash: tb.SourceHash, TableHash: tb.Hash}
		if a.Policy != ref || a.Mode != want || a.Baseline != tb.Baseline || tb.Hash == (audit.Hash{}) {
			t.Errorf("mode %q: %+v", mode, *a)
		}
	}
}

func TestRecorderDecision(t *testing.T) {
	r, log, tb, rule := newRecorder(t, "")
	ref := audit.Policy{Name: "p.yaml", SourceHash: tb.SourceHash, TableHash: tb.Hash}
	var told []string
	r.Denied = func(d *audit.Decision) { told = append(told, string(d.Subject)) }
	event := func(set func(*loader.Event)) *audit.Decision {
		t.Helper()
		e := &loader.Event{
			Action: 0, Verdict: loader.Allow, Hook: "file_open", Rule: rule("data"), CPU: 2, Seq: 5, Time: 77, Cgroup: 9, TableID: tb.ID,
			TID: 12, PID: 11, UID: 1000, GID: 1001, StartTime: 70, Comm: "agent", ExeID: 0xe, SubjectID: 0x5, Class: "mount", Subject: []byte("/data/x"),
		}
		e.Parent.PID, e.Parent.StartTime, e.Parent.Comm = 10, 60, "sh"
		if set != nil {
			set(e)
		}
		if err := r.Event(e); err != nil {
			t.Fatal(err)
		}
		return last[*audit.Decision](t, log)
	}

	// Who execs is named by what it exec'd, from then on.
	event(func(e *loader.Event) {
		e.Action, e.Hook, e.Subject, e.SubjectID, e.Rule = 3, "bprm_check_security", []byte("/usr/bin/python3"), 0xe, 1
	})
	want := &audit.Decision{
		Verdict: audit.Allow, Action: "file.read", Hook: "file_open", CPU: 2, KSeq: 5, KernelTime: 77, Subject: []byte("/data/x"), Class: "mount",
		CgroupID: 9, RuleNumber: uint32(rule("data")), Rule: "data", Policy: ref,
		Process: audit.Process{PID: 11, TID: 12, StartTime: 70, UID: 1000, GID: 1001, Comm: []byte("agent"), Exe: []byte("/usr/bin/python3")},
		Parent:  audit.Parent{PID: 10, StartTime: 60, Comm: []byte("sh")},
	}
	if d := cmp.Diff(want, event(nil)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}

	for _, tt := range []struct {
		name  string
		set   func(*loader.Event)
		check func(*audit.Decision) bool
	}{
		{"audit", func(e *loader.Event) { e.Rule = rule("seen") },
			func(d *audit.Decision) bool {
				return d.Verdict == audit.Audit && d.Reason == "we look" && d.Rule == "seen"
			}},
		{"deny", func(e *loader.Event) { e.Verdict, e.Errno, e.Rule = loader.Deny, -13, 0 },
			func(d *audit.Decision) bool { return d.Verdict == audit.Deny && d.Errno == 13 && d.Rule == "default" }},
		{"would deny", func(e *loader.Event) { e.Verdict, e.Rule = loader.WouldDeny, 0 },
			func(d *audit.Decision) bool { return d.Verdict == audit.WouldDeny && d.Errno == 0 }},
		{"switched off", func(e *loader.Event) { e.Verdict, e.Rule = loader.SwitchedOff, 0 },
			func(d *audit.Decision) bool { return d.Verdict == audit.WouldDeny && d.Disabled && d.Errno == 0 }},
		{"write", func(e *loader.Event) { e.Action = 1 }, func(d *audit.Decision) bool { return d.Action == "file.write" }},
		{"map", func(e *loader.Event) { e.Action = 4 }, func(d *audit.Decision) bool { return d.Action == "process.exec" }},
		{"action of a later version", func(e *loader.Event) { e.Action = 200 }, func(d *audit.Decision) bool { return d.Action == "unknown" }},
		{"unknown executable", func(e *loader.Event) { e.ExeID = 0xbad }, func(d *audit.Decision) bool { return string(d.Process.Exe) == "executable #0000000000000bad" }},
		{"connect", func(e *loader.Event) {
			e.Action, e.Rule, e.Subject, e.Address, e.Protocol = 6, rule("net"), nil, netip.MustParseAddrPort("10.1.2.3:443"), 6
		}, func(d *audit.Decision) bool {
			return d.Action == "network.request" && string(d.Subject) == "10.1.2.3:443/tcp" &&
				d.Network == audit.Network{Addr: "10.1.2.3", Port: 443, Protocol: "tcp"}
		}},
		{"connect v6 udp", func(e *loader.Event) {
			e.Action, e.Subject, e.Address, e.Protocol = 6, nil, netip.MustParseAddrPort("[2001:db8::1]:53"), 17
		}, func(d *audit.Decision) bool { return string(d.Subject) == "[2001:db8::1]:53/udp" }},
		{"another protocol", func(e *loader.Event) {
			e.Action, e.Subject, e.Address, e.Protocol = 6, nil, netip.MustParseAddrPort("10.0.0.1:0"), 132
		}, func(d *audit.Decision) bool { return d.Network.Protocol == "protocol-132" }},
		{"no tables", func(e *loader.Event) { e.Verdict, e.TableID, e.Rule = loader.Deny, 0, 4 },
			func(d *audit.Decision) bool { return d.Rule == "builtin/no-policy" && d.Policy == audit.Policy{} }},
		{"unknown tables", func(e *loader.Event) { e.TableID, e.Rule = 0xabc, 40 },
			func(d *audit.Decision) bool { return d.Rule == "rule 40 of unknown tables 0000000000000abc" }},
		{"rule beyond the tables", func(e *loader.Event) { e.Rule = 60000 },
			func(d *audit.Decision) bool { return strings.HasPrefix(d.Rule, "rule 60000 of unknown") }},
	} {
		told = nil
		d := event(tt.set)
		if !tt.check(d) {
			t.Errorf("%s: %+v", tt.name, *d)
		}
		if denied := d.Verdict == audit.Deny || d.Verdict == audit.WouldDeny; denied != (len(told) == 1) {
			t.Errorf("%s: told of %q", tt.name, told)
		}
	}
	// A denied exec names nobody.
	event(func(e *loader.Event) {
		e.Action, e.Hook, e.Subject, e.SubjectID, e.Verdict = 3, "bprm_check_security", []byte("/bin/evil"), 0xf, loader.Deny
	})
	if d := event(func(e *loader.Event) { e.ExeID = 0xf }); string(d.Process.Exe) != "executable #000000000000000f" {
		t.Errorf("a denied exec became the executable %q", d.Process.Exe)
	}
}

func TestRecorderCounted(t *testing.T) {
	r, log, tb, rule := newRecorder(t, "")
	first := &loader.Event{Verdict: loader.Allow, Hook: "file_open", Rule: rule("data"), Seq: 1, TableID: tb.ID, SubjectID: 5, Subject: []byte("/data/x")}
	if err := r.Event(first); err != nil {
		t.Fatal(err)
	}
	n := len(log.records)
	one := loader.Counted{Cgroup: 9, SubjectID: 5, TableID: tb.ID, Rule: rule("data"), Hook: "file_open", Class: "root", Count: 3, First: 10, Last: 20}
	none, nameless := one, one
	none.Count = 0
	nameless.SubjectID = 0xabc
	if err := r.Counted([]loader.Counted{none, one, nameless}); err != nil {
		t.Fatal(err)
	}
	if got := len(log.records) - n; got != 2 {
		t.Fatalf("%d records, want 2: what was counted 0 times was recorded already", got)
	}
	c := log.records[n].(*audit.Counted)
	if c.Count != 3 || c.First != 10 || c.Last != 20 || string(c.Subject) != "/data/x" || c.Rule != "data" || c.Action != "file.read" || c.CgroupID != 9 {
		t.Errorf("%+v", *c)
	}
	if s := string(last[*audit.Counted](t, log).Subject); s != "subject #0000000000000abc" {
		t.Errorf("subject %q of one whose name is not known", s)
	}
	log.refuse = errors.New("disk is gone")
	if err := r.Counted([]loader.Counted{one}); !errors.Is(err, log.refuse) {
		t.Errorf("error %v", err)
	}
}

func TestRecorderNamesAreBounded(t *testing.T) {
	r, log, tb, rule := newRecorder(t, "")
	for i := range uint64(namesMax + 10) {
		e := &loader.Event{Verdict: loader.Allow, Hook: "bprm_check_security", Rule: rule("data"), Seq: i + 1, TableID: tb.ID,
			SubjectID: i + 1, Subject: fmt.Appendf(nil, "/data/%d", i)}
		if err := r.Event(e); err != nil {
			t.Fatal(err)
		}
		log.records = log.records[:0]
	}
	size := func(n *names) int { return len(n.recent) + len(n.older) }
	if size(r.subjects) > namesMax || size(r.exes) > namesMax {
		t.Errorf("%d subjects, %d executables, at most %d", size(r.subjects), size(r.exes), namesMax)
	}
	if string(r.subjects.get(namesMax+10)) != fmt.Sprintf("/data/%d", namesMax+9) {
		t.Error("the newest name is missing")
	}
}

func TestRecorderLosses(t *testing.T) {
	r, log, tb, rule := newRecorder(t, "")
	come := func(cpu uint32, ns ...uint64) {
		t.Helper()
		for _, n := range ns {
			if err := r.Event(&loader.Event{CPU: cpu, Seq: n, Verdict: loader.Allow, Rule: rule("data"), TableID: tb.ID}); err != nil {
				t.Fatal(err)
			}
		}
	}
	counters := func(seqs ...uint64) []*audit.Loss {
		t.Helper()
		log.records = nil
		var cs []loader.CPUStats
		for i, n := range seqs {
			cs = append(cs, loader.CPUStats{CPU: i, Seq: n})
		}
		if err := r.Counters(cs); err != nil {
			t.Fatal(err)
		}
		var out []*audit.Loss
		for _, rec := range log.records {
			out = append(out, rec.(*audit.Loss))
		}
		return out
	}
	loss := func(cpu uint32, reason string, rs ...audit.SeqRange) *audit.Loss {
		return &audit.Loss{CPU: cpu, Reason: reason, Ranges: rs}
	}
	come(0, 1, 2, 5, 4)
	come(1, 3)
	if d := cmp.Diff([]*audit.Loss{loss(0, "ring-full", audit.SeqRange{From: 3, To: 3})}, counters(5, 0)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]*audit.Loss{loss(0, "ring-full", audit.SeqRange{From: 6, To: 7}), loss(1, "ring-full", audit.SeqRange{From: 1, To: 2})},
		counters(7, 3)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// A full queue of the log is no end, but a loss.
	log.refuse = audit.ErrQueueFull
	come(0, 8, 9, 11)
	log.refuse = nil
	come(0, 10)
	if d := cmp.Diff([]*audit.Loss{loss(0, "queue-full", audit.SeqRange{From: 8, To: 9}, audit.SeqRange{From: 11, To: 11})}, counters(11, 3)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if again := counters(11, 3); len(again) != 0 {
		t.Errorf("declared twice: %+v", again)
	}
	// Very many gaps are split over records.
	for n := uint64(20); n < 20+2*450; n += 2 {
		come(0, n)
	}
	ls, total := counters(918, 3), uint64(0)
	for _, l := range ls {
		if len(l.Ranges) > rangesPerRecord {
			t.Errorf("%d ranges in a record", len(l.Ranges))
		}
		for _, rg := range l.Ranges {
			total += rg.To - rg.From + 1
		}
	}
	if len(ls) != 3 || total != (19-11)+449 {
		t.Errorf("%d records declare %d lost, want 3 and %d", len(ls), total, (19-11)+449)
	}
	log.refuse = errors.New("disk is gone")
	if err := r.Event(&loader.Event{Seq: 5000}); !errors.Is(err, log.refuse) {
		t.Errorf("error %v", err)
	}
	if err := r.Counters([]loader.CPUStats{{Seq: 6000}}); !errors.Is(err, log.refuse) {
		t.Errorf("error %v", err)
	}
}

func TestAuditCounters(t *testing.T) {
	got := auditCounters([]loader.CPUStats{{CPU: 3, Seq: 1, Decisions: 9, Counted: 2, Emitted: 4, Lost: 5, Denied: 7}})
	if d := cmp.Diff([]audit.CPUCounters{{CPU: 3, Seq: 1, Emitted: 4, Counted: 2, Lost: 5}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestRecorderFrom: what programs numbered before the recorder came is not lost.
func TestRecorderFrom(t *testing.T) {
	r, log, tb, rule := newRecorder(t, "")
	r.From([]loader.CPUStats{{CPU: 0, Seq: 100}, {CPU: 1}})
	if err := r.Event(&loader.Event{CPU: 0, Seq: 102, Verdict: loader.Allow, Rule: rule("data"), TableID: tb.ID}); err != nil {
		t.Fatal(err)
	}
	if err := r.Counters([]loader.CPUStats{{CPU: 0, Seq: 102}, {CPU: 1}}); err != nil {
		t.Fatal(err)
	}
	want := &audit.Loss{CPU: 0, Reason: "ring-full", Ranges: []audit.SeqRange{{From: 101, To: 101}}}
	if d := cmp.Diff(want, last[*audit.Loss](t, log)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A policy that would rather deny than lose a record makes the reader hold while
// the log has little room; others never do.
func TestStrictPolicyHoldsTheReader(t *testing.T) {
	for _, strict := range []bool{false, true} {
		m := &memLog{crowded: true}
		r := NewRecorder(m)
		tb := &policy.Tables{ID: 7, Source: []byte("version: 1\n"), AuditLossDeny: strict}
		if err := r.Apply("p", tb); err != nil {
			t.Fatal(err)
		}
		e := &loader.Event{Seq: 1, TableID: 7, Verdict: loader.Deny}
		if err := r.Event(e); errors.Is(err, errCrowded) != strict || !strict && err != nil {
			t.Errorf("strict %t: %v", strict, err)
		}
		if err := r.eventAnyway(&loader.Event{Seq: 2, TableID: 7}); err != nil {
			t.Errorf("strict %t, anyway: %v", strict, err)
		}
		if len(m.records) != 3 || len(m.sources) != 1 || string(m.sources[0]) != "version: 1\n" {
			t.Errorf("strict %t: %d records, sources %q", strict, len(m.records), m.sources)
		}
	}
}

// What the log has no room for is declared lost once it has, the declaration
// itself included.
func TestRefusedDeclarationsAreOwed(t *testing.T) {
	m := &memLog{refuse: audit.ErrQueueFull}
	r := NewRecorder(m)
	for n := range uint64(3) {
		if err := r.Event(&loader.Event{Seq: n + 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Counted([]loader.Counted{{Count: 5}, {Count: 6}}); err != nil {
		t.Fatal(err)
	}
	stats := []loader.CPUStats{{Seq: 4}}
	for range 2 {
		if err := r.Counters(stats); err != nil {
			t.Fatal(err)
		}
	}
	m.refuse = nil
	if err := r.Counters(stats); err != nil {
		t.Fatal(err)
	}
	var numbers, counted uint64
	for _, rec := range m.records {
		l, ok := rec.(*audit.Loss)
		if !ok {
			t.Fatalf("a %T", rec)
		}
		counted += l.Counted
		for _, g := range l.Ranges {
			numbers += g.To - g.From + 1
		}
	}
	if numbers != 4 || counted != 11 {
		t.Errorf("%d numbers and %d counted allows are declared: %v", numbers, counted, m.records)
	}
}

package loader

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

const (
	denyAll  = "version: 1\nbaseline: none\nrules: []\n"
	countIt  = "version: 1\nbaseline: none\nrules:\n  - {id: counted, action: file.*, path: {equals: %s}, decision: allow}\n"
	auditIt  = "version: 1\nbaseline: none\nrules:\n  - {id: audited, action: file.*, path: {equals: %s}, decision: audit}\n"
	pageSize = 4096
)

// balance holds the kernel's totals since base against what came out of the
// ring: every number up to the last came once or is lost, and every decision is
// counted, came, or is lost.
func balance(t *testing.T, base, stats []CPUStats, es []*Event) {
	t.Helper()
	came := map[uint32]map[uint64]bool{}
	for _, e := range es {
		if came[e.CPU] == nil {
			came[e.CPU] = map[uint64]bool{}
		}
		if came[e.CPU][e.Seq] {
			t.Errorf("CPU %d: number %d came twice", e.CPU, e.Seq)
		}
		came[e.CPU][e.Seq] = true
	}
	for i, s := range Since(stats, base) {
		got := came[uint32(s.CPU)]
		gaps := uint64(0)
		for n := base[i].Seq + 1; n <= stats[i].Seq; n++ {
			if !got[n] {
				gaps++
			}
		}
		delete(came, uint32(s.CPU))
		if gaps != s.Lost {
			t.Errorf("CPU %d: %d numbers up to %d are missing, %d declared lost", s.CPU, gaps, stats[i].Seq, s.Lost)
		}
		if uint64(len(got)) != s.Emitted || s.Seq != s.Emitted+s.Lost || s.Decisions != s.Counted+s.Emitted+s.Lost {
			t.Errorf("CPU %d: %d events came of %+v", s.CPU, len(got), s)
		}
	}
	for cpu, got := range came {
		t.Errorf("%d events of CPU %d, which has no counters", len(got), cpu)
	}
}

// TestOverflow: with a ring of one page and nobody reading, what does not fit
// is lost, and the gaps say exactly how much. Allows leave room for denials.
func TestOverflow(t *testing.T) {
	g, base := smallRing.atRest(t)
	dir := t.TempDir()
	a, b := file(t, dir, "a"), file(t, dir, "b")
	n, _ := install(t, g, fmt.Sprintf(auditIt, a))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	if ok, _ := c.tally("many 100 %s", a); ok != 100 {
		t.Errorf("%d of 100 allowed: a full ring changes no verdict", ok)
	}
	before := totalSince(t, g, base)
	if before.Lost == 0 || before.LostShare != before.Lost {
		t.Errorf("after allows only: %+v; want losses, all of them beyond the allows' share", before)
	}
	// Ten times what the ring holds.
	if _, denied := c.tally("many 300 %s", b); denied != 300 {
		t.Errorf("%d of 300 denied", denied)
	}
	stats, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	es := drain(t, g)
	if d := len(about(es, b)); d == 0 {
		t.Error("no denial found room behind the allows")
	} else {
		t.Logf("%d allows of 100 and %d denials of 300 fit", len(about(es, a)), d)
	}
	after := totalSince(t, g, base)
	if after.Lost <= before.Lost || after.LostShare != before.LostShare || after.Denied < 300 {
		t.Errorf("after denials: %+v, before: %+v", after, before)
	}
	balance(t, base, stats, es)
	if after.Counted != 0 || after.Decisions < 200 {
		t.Errorf("%+v", after)
	}

	// With room again the next decision is recorded, and the gap is visible.
	c.want("EACCES", "open %s", b)
	if stats, err = g.Stats(); err != nil {
		t.Fatal(err)
	}
	again := drain(t, g)
	if len(about(again, b)) != 1 {
		t.Errorf("events after draining: %s", list(again))
	}
	balance(t, base, stats, append(es, again...))
}

// TestAuditLossDeny: under onAuditLoss: deny nothing happens unrecorded.
func TestAuditLossDeny(t *testing.T) {
	g, _ := smallRing.atRest(t)
	dir := t.TempDir()
	a, b := file(t, dir, "a"), file(t, dir, "b")
	src := fmt.Sprintf("version: 1\nbaseline: none\nonAuditLoss: deny\nrules:\n  - {action: file.*, path: {equals: %s}, decision: audit}\n"+
		"  - {action: file.*, path: {equals: %s}, decision: allow}\n", a, b)
	n, _ := install(t, g, src)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	var refused uint64
	for range 2 {
		drain(t, g)
		c.want("ok", "open %s", a)
		// The first of an interval is recorded on its own.
		c.want("ok", "open %s", b)
		ok, denied := c.tally("many 60 %s", a)
		if ok == 0 || denied == 0 {
			t.Errorf("%d opens allowed, %d denied; want some of each", ok, denied)
		}
		refused += uint64(denied)
		counts, err := g.RuleCounts(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := counts[safeclawRuleRULE_AUDIT_LOSS]; got != refused {
			t.Errorf("%d opens were denied for want of a record, the rule's count is %d", refused, got)
		}
		es := about(drain(t, g), a)
		if len(es) != ok+1 {
			t.Errorf("%d opens succeeded, %d were recorded", ok+1, len(es))
		}
		for _, e := range es {
			if e.Verdict != Allow {
				t.Errorf("event %+v", *e)
			}
		}
	}
	c.want("ok", "open %s", b)
	if ok, denied := c.tally("many 60 %s", a); ok == 0 || denied == 0 {
		t.Errorf("%d allowed, %d denied", ok, denied)
	}
	// A counted allow needs no room in the ring.
	if ok, _ := c.tally("many 20 %s", b); ok != 20 {
		t.Errorf("%d of 20 counted allows", ok)
	}
	if _, err := g.DrainCounted(); err != nil {
		t.Fatal(err)
	}
	// In a new interval the first one does, and there is none.
	if ok, _ := c.tally("many 1 %s", b); ok != 0 {
		t.Error("an allow went unrecorded")
	}
}

func TestCountedAllows(t *testing.T) {
	g := sharedGate(t)
	f := file(t, t.TempDir(), "f")
	n, tb := install(t, g, fmt.Sprintf(countIt, f))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	mine := func() []Counted {
		t.Helper()
		all, err := g.DrainCounted()
		if err != nil {
			t.Fatal(err)
		}
		var out []Counted
		for _, k := range all {
			if k.Cgroup == gr.id {
				out = append(out, k)
			}
		}
		return out
	}
	mine()
	drain(t, g)
	for _, opens := range []int{1, 500} {
		c.tally("many %d %s", opens, f)
		e := one(t, drain(t, g), tb, f, "counted", Allow)
		ks := mine()
		if len(ks) != 1 {
			t.Fatalf("%d counted allows, want 1: %+v", len(ks), ks)
		}
		k := ks[0]
		if k.Count != uint64(opens-1) || k.SubjectID != e.SubjectID || k.ExeID != e.ExeID || k.Rule != e.Rule || k.TableID != tb.ID ||
			k.Slot != n || k.Action != e.Action || k.Hook != "file_open" || k.Class != e.Class {
			t.Errorf("counted %+v of %d opens; the recorded one: %+v", k, opens, *e)
		}
		if opens > 1 && (k.First < e.Time || k.Last < k.First) {
			t.Errorf("counted between %v and %v, recorded at %v", k.First, k.Last, e.Time)
		}
	}
	// Writes are recorded one by one.
	c.tally("many 5 %s", f)
	c.tally("many 3 %s 1", f)
	if es := about(drain(t, g), f); len(es) != 1+3 {
		t.Errorf("%d events of 5 reads and 3 writes: %s", len(es), list(es))
	}
	if ks := mine(); len(ks) != 1 || ks[0].Action != 0 || ks[0].Count != 4 {
		t.Errorf("counted of 5 reads and 3 writes: %+v", ks)
	}
}

// TestCountedSwap: intervals end under load, and no allow gets lost between two.
func TestCountedSwap(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	f, f2 := file(t, dir, "f"), file(t, dir, "f2")
	src := fmt.Sprintf("version: 1\nbaseline: none\nrules:\n  - {id: counted, action: file.*, path: {in: [%s, %s]}, decision: allow}\n", f, f2)
	n, tb := install(t, g, src)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	drain(t, g)
	if _, err := g.DrainCounted(); err != nil {
		t.Fatal(err)
	}
	c.want("ok", "hammer %s", f)
	c.want("ok", "hammer %s", f2)
	recorded, counted, intervals := 0, uint64(0), 0
	take := func() {
		t.Helper()
		ks, err := g.DrainCounted()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range ks {
			if k.Cgroup == gr.id && tb.Rules[k.Rule].Name == "counted" {
				counted += k.Count
				intervals++
			}
		}
		es := drain(t, g)
		recorded += len(about(es, f)) + len(about(es, f2))
	}
	for range 60 {
		time.Sleep(5 * time.Millisecond)
		take()
	}
	ok, denied := c.tally("stop")
	take()
	if denied > 0 || uint64(ok) != uint64(recorded)+counted {
		t.Errorf("%d opens, %d recorded + %d counted = %d", ok, recorded, counted, uint64(recorded)+counted)
	}
	if recorded < 10 || counted == 0 {
		t.Errorf("%d recorded, %d counted: the load never met a new interval", recorded, counted)
	}
	t.Logf("%d opens: %d recorded, %d counted in %d entries", ok, recorded, counted, intervals)
}

// TestCountedFull: without room to count, every allow is recorded.
func TestCountedFull(t *testing.T) {
	g, base := fewCounts.atRest(t)
	dir := t.TempDir()
	gr := newGroup(t, cgroupRoot)
	n, _ := install(t, g, "version: 1\nbaseline: none\nrules:\n  - {id: all, action: file.*, path: \"/**\", decision: allow}\n")
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	const files, times = 20, 5
	for i := range files {
		if ok, _ := c.tally("many %d %s", times, file(t, dir, fmt.Sprint(i))); ok != times {
			t.Errorf("file %d: %d of %d", i, ok, times)
		}
	}
	stats, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	es := drain(t, g)
	balance(t, base, stats, es)
	entries := map[string]int{}
	for _, e := range es {
		entries[string(e.Subject)]++
	}
	alone := 0
	for i := range files {
		if n := entries[fmt.Sprintf("%s/%d", dir, i)]; n == times {
			alone++
		} else if n != 1 {
			t.Errorf("file %d: %d events, want 1 or %d", i, n, times)
		}
	}
	if alone < files-4 {
		t.Errorf("%d files recorded each time, want at least %d", alone, files-4)
	}
}

func TestRuleCounts(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	a, b, x := file(t, dir, "a"), file(t, dir, "b"), file(t, dir, "x")
	src := fmt.Sprintf("version: 1\nbaseline: none\nrules:\n  - {id: a, action: file.*, path: {equals: %s}, decision: allow}\n"+
		"  - {id: b, action: file.*, path: {equals: %s}, decision: audit}\n  - {id: never, action: file.*, path: {equals: /never}, decision: deny}\n", a, b)
	n, tb := install(t, g, src)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	if _, err := g.DrainCounted(); err != nil {
		t.Fatal(err)
	}
	start := total(t, g)
	c := startChild(t, gr)
	c.tally("many 70 %s", a)
	c.tally("many 11 %s", b)
	c.tally("many 5 %s", x)
	c.want("EACCES", "exec /bin/busybox true")
	counts, err := g.RuleCounts(n)
	if err != nil {
		t.Fatal(err)
	}
	stop := total(t, g)
	want := make([]uint64, len(tb.Rules))
	for _, e := range drain(t, g) {
		want[e.Rule]++
	}
	ks, err := g.DrainCounted()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range ks {
		want[k.Rule] += k.Count
	}
	sum := uint64(0)
	for i, r := range tb.Rules {
		if counts[i] != want[i] {
			t.Errorf("rule %s: counter %d, decisions %d", r.Name, counts[i], want[i])
		}
		if m, ok := map[string]uint64{"a": 70, "b": 11, "never": 0, "entrypoint": 1}[r.Name]; ok && counts[i] != m {
			t.Errorf("rule %s: counter %d, want %d", r.Name, counts[i], m)
		}
		sum += counts[i]
	}
	if d := stop.Decisions - start.Decisions; sum != d || stop.NoRuleCount != start.NoRuleCount {
		t.Errorf("counters add up to %d, decisions %d", sum, d)
	}
}

// TestDrainUnderLoad: draining ends though decisions come faster than it reads.
func TestDrainUnderLoad(t *testing.T) {
	g, _ := fewCounts.atRest(t)
	f := file(t, t.TempDir(), "f")
	n, _ := install(t, g, denyAll)
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	c := startChild(t, gr)
	for range 4 {
		c.want("ok", "hammer %s", f)
	}
	size := g.reader.BufferSize()
	for range 20 {
		came := 0
		if err := g.Drain(func(*Event) error {
			if came++; came > size/eventHeadLen {
				return fmt.Errorf("%d events at once from a ring of %d bytes", came, size)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	c.tally("stop")

	// Nor does it disturb the reader that comes after it.
	drain(t, g)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c.want("EACCES", "open %s", f)
	stop := errors.New("seen")
	if err := g.Events(ctx, func(*Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Events after Drain: %v", err)
	}
}

func busySlots(t *testing.T, g *Gate) []uint32 {
	t.Helper()
	var out []uint32
	m := g.coll.Maps[safeclawMapScratch]
	for i := range m.MaxEntries() {
		var s safeclawScratch
		if err := m.Lookup(i, &s); err != nil {
			t.Fatal(err)
		}
		if s.Busy != 0 {
			out = append(out, i)
		}
	}
	return out
}

// TestScratchReleased: after storms of opens, forks and refused execs, the
// tasks killed in the middle, every scratch slot is free, and none was short.
func TestScratchReleased(t *testing.T) {
	g := sharedGate(t)
	dir := t.TempDir()
	a, b := file(t, dir, "a"), file(t, dir, "b")
	n, _ := install(t, g, only(a))
	gr := newGroup(t, cgroupRoot)
	bind(t, g, gr, BindAny, n)
	before := total(t, g)
	for round := range 6 {
		var cs []*child
		for range 3 {
			c := startChild(t, gr)
			c.want("EACCES", "exec /bin/busybox true")
			c.want("EACCES", "connect 127.0.0.1:9")
			c.want("EACCES", "fork %s", b)
			c.want("ok", "hammer %s", a)
			c.want("ok", "hammer %s", b)
			c.want("ok", "hammer %s/none", dir)
			c.want("ok", "hammer /proc/self/status")
			cs = append(cs, c)
		}
		time.Sleep(time.Duration(50+37*round) * time.Millisecond)
		for _, c := range cs {
			if err := c.proc.Kill(); err != nil {
				t.Error(err)
			}
		}
		for _, c := range cs {
			c.done() //nolint:errcheck // killed
		}
	}
	if busy := busySlots(t, g); len(busy) > 0 {
		t.Errorf("scratch slots %v are taken, and no task is left", busy)
	}
	if m := g.coll.Maps[safeclawMapScratch].MaxEntries(); m == 0 || m%8 != 0 {
		t.Errorf("%d scratch slots", m)
	}
	after := total(t, g)
	if after.NoScratch != before.NoScratch {
		t.Errorf("%d decisions found no scratch slot", after.NoScratch-before.NoScratch)
	}
	if after.Decisions-before.Decisions < 100 {
		t.Errorf("%d decisions: that was no storm", after.Decisions-before.Decisions)
	}
	t.Logf("%d decisions", after.Decisions-before.Decisions)
}

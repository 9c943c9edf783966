package main

import (
	"strings"
	"testing"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

// TestPrintStatus: what needs a look is said with what to do about it.
func TestPrintStatus(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	runs := []agent.RunStatus{
		{
			Name: "good", State: agent.RunEnforced, Argv: []string{"python3", "a.py"}, Agent: agent.AgentStatus{PID: 7, Alive: true}, Generation: 1, Key: "abc",
			Tasks: 2, Counters: &agent.RunCounters{Decisions: 10, Denied: 3}, Bindings: []agent.BindingStatus{{Path: "/cg/good", Policy: "p.yaml"}},
		},
		{
			Name: "alone", State: agent.RunUnattended, Agent: agent.AgentStatus{PID: 8, Seen: now.Add(-90 * time.Second)}, Generation: 2, Key: "def",
			Counters: &agent.RunCounters{NamesForgotten: 4, NamesUnlearned: 1}, Bindings: []agent.BindingStatus{{CgroupID: 5, Slot: 3}},
			Off: []agent.OffStatus{{Node: true, Left: 61 * time.Second}}, Problems: []string{"run.json: damaged"},
		},
		{Name: "old", State: agent.RunGone, Argv: []string{"x\x1b[2J"}},
		{Name: "done", State: agent.RunEnded, Generation: 1},
	}
	var w textWriter
	printStatus(&w, runs, now)
	for _, want := range []string{
		"good   enforced    pid 7", "2      10         3", "1 (abc)", "python3 a.py", "good: /cg/good by p.yaml",
		"none for 1m30s", "alone: cgroup 5, which is gone by the policy in slot 3", "alone: SWITCHED OFF for 1m1s more: the whole node", "alone: run.json: damaged",
		"alone: more names are in use than a pod has room for: 4 were forgotten before their time, 1 not learned",
		"alone: enforced, but nobody records: node-agent resume --detach alone", "old: remove what is left: node-agent uninstall old",
		"done: no gated task is left; record the end and remove it: node-agent resume done",
	} {
		if !strings.Contains(w.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, w.String())
		}
	}
	for i, want := range []bool{false, true, true, true} {
		if needsLook(runs[i]) != want {
			t.Errorf("%s: needs a look: %v", runs[i].Name, !want)
		}
	}
	w.Reset()
	if printStatus(&w, nil, now); !strings.Contains(w.String(), "nothing is pinned") {
		t.Errorf("of nothing it says %q", w.String())
	}
}

func TestPrintRemoved(t *testing.T) {
	var w textWriter
	printRemoved(&w, []*agent.Removed{{Name: "a", Removed: []string{"/x"}, Killed: 2, Notes: []string{"n"}}, {Name: "b", Ungated: 3}})
	want := "removed /x\na: 2 gated tasks were killed\na: n\nb: 3 tasks go on UNGATED\n"
	if w.String() != want {
		t.Errorf("%q, want %q", w.String(), want)
	}
}

// SPDX-License-Identifier: MIT

package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// sample has a record of every kind that is written from outside of pkg/audit,
// and of every class of decision.
func sample(tb testing.TB) string {
	tb.Helper()
	pod := audit.Pod{UID: "8b0b1c9e", Namespace: "prod", Name: "web-1", Container: "app", ContainerID: "abc", Image: "sha256:1234"}
	policy := audit.Policy{Name: "reference", SourceHash: audit.Hash{1}, TableHash: audit.Hash{2}}
	base := audit.Decision{
		Verdict: audit.Deny, Action: "file.read", Hook: "file_open", KSeq: 1, KernelTime: 4000, Subject: []byte("/etc/shadow"), Class: "root", Rule: "no-secrets",
		RuleNumber: 3, Reason: "system credentials", Errno: 13, CgroupID: 815, Pod: pod, Policy: policy,
		Process: audit.Process{PID: 4711, TID: 4712, StartTime: 3000, Comm: []byte("python3"), Exe: []byte("/usr/bin/python3.12")},
		Parent:  audit.Parent{PID: 1, StartTime: 1, Comm: []byte("sh")},
	}
	var n uint64
	with := func(change func(d *audit.Decision)) *audit.Decision {
		d := base
		n++
		d.KSeq = n
		change(&d)
		return &d
	}
	dir := filepath.Join(tb.TempDir(), "log")
	l, err := audit.Open(tb.Context(), dir, audit.Options{})
	check(tb, err)
	for _, r := range []audit.Record{
		&audit.AgentStart{Version: "0.1", Kernel: "6.12", LoadID: "l1"},
		&audit.PolicyApplied{Policy: policy, Mode: "enforce", Baseline: "image"},
		&audit.Binding{CgroupPath: []byte("/kubepods/a"), CgroupID: 815, Delay: 5, Pod: pod, Policy: policy},
		with(func(*audit.Decision) {}),
		with(func(d *audit.Decision) {
			d.Action, d.Verdict, d.Errno, d.Disabled = "file.write", audit.WouldDeny, 0, true
		}),
		with(func(d *audit.Decision) { d.Action, d.Subject = "file.delete", []byte("/tmp/\xff\n\x1b[31m") }),
		with(func(d *audit.Decision) { d.Action, d.Verdict = "file.map", audit.Allow }),
		with(func(d *audit.Decision) {
			d.Action, d.Verdict, d.Subject = "process.exec", audit.Audit, []byte("/bin/sh")
		}),
		with(func(d *audit.Decision) {
			d.Action, d.Subject, d.Network = "network.request", []byte("[2001:db8::1]:443/tcp"), audit.Network{Addr: "2001:db8::1", Port: 443, Protocol: "tcp"}
		}),
		with(func(d *audit.Decision) {
			d.Action, d.Subject, d.Network = "network.request", []byte("api.example:53/udp"), audit.Network{Addr: "api.example", Port: 53, Protocol: "udp"}
		}),
		with(func(d *audit.Decision) {
			d.Action, d.Subject, d.Network = "network.request", []byte("unix:@x"), audit.Network{}
		}),
		with(func(d *audit.Decision) { d.Action, d.Hook, d.Rule, d.Subject = "system", "bpf", "builtin/bpf", nil }),
		with(func(d *audit.Decision) { d.Subject = []byte("=HYPERLINK(\"http://x\")") }),
		with(func(d *audit.Decision) {
			d.Process, d.Parent, d.Pod = audit.Process{PID: 9}, audit.Parent{}, audit.Pod{}
		}),
		&audit.Counted{Decision: base, Count: 17, First: 100, Last: 2_000_000_000},
		&audit.Loss{CPU: 1, Reason: "ring-full", Ranges: []audit.SeqRange{{From: 1, To: 3}}},
		&audit.Guard{Verdict: audit.Deny, Hook: "bpf_map", KSeq: 40, KernelTime: 1, Object: "map", Subject: []byte("rules"), Process: base.Process, CgroupID: 1},
		&audit.Guard{Verdict: audit.Allow, Hook: "task_kill", KSeq: 41, Object: "process", Subject: []byte("agent"), Why: "administrator", Process: base.Process},
		&audit.GuardHeld{CPU: 1, Count: 4},
		&audit.OffSwitch{At: 1, Until: 1e9, Comm: []byte("x"), Reason: "an outage"},
		&audit.OffSwitch{On: true, At: 2, Expired: true, Reason: "expired"},
		&audit.Heartbeat{CPUs: []audit.CPUCounters{{Seq: n}}},
		&audit.PolicyRemoved{Policy: policy, Reason: "gone"},
		&audit.Binding{Released: true, CgroupPath: []byte("/kubepods/a"), CgroupID: 815, Policy: policy},
	} {
		check(tb, l.Append(r))
	}
	check(tb, l.Close(tb.Context(), &audit.AgentStop{Reason: "done"}))
	return dir
}

// export is what a format makes of a log, and the log's records.
func export(tb testing.TB, dir, format string) (string, []audit.Entry) {
	tb.Helper()
	var out bytes.Buffer
	w, err := New(format, &out)
	check(tb, err)
	var entries []audit.Entry
	_, err = audit.Records(tb.Context(), dir, audit.VerifyOptions{}, func(e audit.Entry) error {
		err := w.Write(e)
		e.Line = bytes.Clone(e.Line)
		entries = append(entries, e)
		return err
	})
	check(tb, err)
	check(tb, w.Flush())
	return out.String(), entries
}

func TestRawIsTheLog(t *testing.T) {
	out, entries := export(t, sample(t), "raw")
	for i, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
		if line != string(entries[i].Line) || audit.LeafHash([]byte(line)) != entries[i].Leaf {
			t.Fatalf("row %d is %s", i, line)
		}
	}
}

func TestCSV(t *testing.T) {
	out, entries := export(t, sample(t), "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	check(t, err)
	if !slices.Equal(rows[0], columns) || len(rows) != len(entries)+1 {
		t.Fatalf("%d rows for %d records, header %v", len(rows), len(entries), rows[0])
	}
	col := func(row []string, name string) string { return row[slices.Index(columns, name)] }
	for i, row := range rows[1:] {
		e := entries[i]
		var r record
		check(t, json.Unmarshal(e.Line, &r))
		if col(row, "seq") != fmt.Sprint(e.Seq) || col(row, "origin") != r.Log || col(row, "leaf_hash") != e.Leaf.String() || col(row, "kind") != r.Kind {
			t.Errorf("row %d is of another record: %v", i, row)
		}
		if audit.LeafHash([]byte(col(row, "record"))) != e.Leaf {
			t.Errorf("row %d has another record", i)
		}
		for _, c := range row {
			if c != "" && strings.ContainsRune("=+-@", rune(c[0])) {
				t.Errorf("row %d: a table reads %q as a formula", i, c)
			}
		}
		switch col(row, "subject") {
		case "'=HYPERLINK(\"http://x\")":
			if col(row, "pid") != "4711" || col(row, "uid") != "0" || col(row, "errno") != "13" || col(row, "pod_name") != "web-1" || col(row, "policy") != "reference" {
				t.Errorf("%v", row)
			}
		case "/kubepods/a":
			if col(row, "pid")+col(row, "uid") != "" {
				t.Errorf("a process where there is none: %v", row)
			}
		}
	}
}

// schema is the subset of the published schema that testdata describes.
func schema(tb testing.TB, class int) *jsonschema.Schema {
	tb.Helper()
	text, err := os.ReadFile("testdata/ocsf-1.5.0.schema.json")
	check(tb, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	check(tb, err)
	c := jsonschema.NewCompiler()
	check(tb, c.AddResource("ocsf.json", doc))
	s, err := c.Compile(fmt.Sprintf("ocsf.json#/$defs/%d", class))
	check(tb, err)
	return s
}

func TestOCSFIsValid(t *testing.T) {
	out, entries := export(t, sample(t), "ocsf")
	schemas, met := map[int]*jsonschema.Schema{}, map[int]int{}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != len(entries) {
		t.Fatalf("%d events for %d records", len(lines), len(entries))
	}
	for i, line := range lines {
		var ev event
		check(t, json.Unmarshal([]byte(line), &ev))
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		check(t, err)
		if schemas[ev.ClassUID] == nil {
			schemas[ev.ClassUID] = schema(t, ev.ClassUID)
		}
		met[ev.ClassUID]++
		if err := schemas[ev.ClassUID].Validate(doc); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
		u := ev.Unmapped
		if e := entries[i]; u.Seq != e.Seq || u.LeafHash != e.Leaf.String() || u.Origin == "" || audit.LeafHash([]byte(ev.RawData)) != e.Leaf {
			t.Errorf("event %d cannot be proven back: %+v", i, u)
		}
	}
	for _, class := range []int{1001, 1003, 1007, 1008, 4001} {
		if met[class] == 0 {
			t.Errorf("no event of class %d", class)
		}
	}
}

func TestTheSchemaRefuses(t *testing.T) {
	out, _ := export(t, sample(t), "ocsf")
	for line := range strings.Lines(out) {
		if !strings.Contains(line, `"class_uid":1001`) {
			continue
		}
		for _, change := range [][2]string{
			{`"severity_id":3`, `"severity_id":8`}, {`"activity_id":2`, `"activity_id":77`}, {`"version":"1.5.0"`, `"version":"1.0.0"`}, {`"file":{`, `"fiel":{`}, {`"type_uid":100102`, `"type_uid":400102`},
			{`"type_id":0`, `"typ_id":0`}, {`"disposition_id":2`, `"disposition_id":98`}, {`"pid":4711`, `"pid":"4711"`},
		} {
			bent := strings.Replace(line, change[0], change[1], 1)
			if bent == line {
				t.Fatalf("no %s in %s", change[0], line)
			}
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(bent))
			check(t, err)
			if schema(t, 1001).Validate(doc) == nil {
				t.Errorf("valid with %s", change[1])
			}
		}
		return
	}
	t.Fatal("no event about a file")
}

func TestOCSFSays(t *testing.T) {
	out, _ := export(t, sample(t), "ocsf")
	for _, want := range []string{
		`"type_name":"File System Activity: Read"`, `"type_name":"Process Activity: Launch"`, `"dst_endpoint":{"ip":"2001:db8::1","port":443}`, `"dst_endpoint":{"hostname":"api.example","port":53}`,
		`"action":"Denied","disposition_id":2,"disposition":"Blocked","is_alert":true`, `"disposition":"Logged"`, `"status_code":"13"`, `"count":17`, `"orchestrator":"Kubernetes","image":{"uid":"sha256:1234"}`,
		`"subject_b64":"`, `"type_name":"Event Log Activity: Start"`, `"type_name":"Event Log Activity: Disable"`, `"activity_name":"loss"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestNoOtherFormat(t *testing.T) {
	if _, err := New("xml", nil); err == nil || !strings.Contains(err.Error(), "raw, csv, ocsf") {
		t.Errorf("%v", err)
	}
}

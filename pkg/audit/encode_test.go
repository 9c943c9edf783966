// SPDX-License-Identifier: MIT

package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// decode encodes a record and reads it back with encoding/json.
func decode(tb testing.TB, rec Record) map[string]any {
	tb.Helper()
	body, err := appendBody(nil, rec)
	check(tb, err)
	line := append([]byte{'{'}, body...)
	if len(line) > MaxRecord || bytes.ContainsAny(line, "\n\r\x00") || !utf8.Valid(line) {
		tb.Fatalf("not a line: %q", line)
	}
	if end, err := scanObject(line, 0, 0, nil); err != nil || end != len(line) {
		tb.Fatalf("the verifier's scanner stops at %d: %s", end, line)
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var m map[string]any
	check(tb, dec.Decode(&m))
	return m
}

type object = map[string]any

func num(s string) json.Number { return json.Number(s) }

func TestRecordsSayWhatTheyWereGiven(t *testing.T) {
	zero := strings.Repeat("0", 64)
	policy := object{"name": "p", "source": zero, "table": strings.Repeat("0", 62) + "07"}
	pol := Policy{Name: "p", TableHash: Hash{31: 7}}
	d := *decision(9)
	d.Subject, d.Action = []byte("192.0.2.1:443/tcp"), "network.request"
	d.SubjectID, d.Class = FileID{}, "own-net"
	d.Network = Network{Addr: "192.0.2.1", Port: 443, Protocol: "tcp"}
	d.Policy, d.Pod = pol, Pod{UID: "u", Namespace: "ns", Name: "web", Container: "app", ContainerID: "c1", Image: "sha256:aa"}
	identity := object{
		"subject": "192.0.2.1:443/tcp", "class": "own-net", "addr": "192.0.2.1", "port": num("443"), "protocol": "tcp",
		"rule": "no-secrets", "rule_number": num("3"), "reason": "system credentials",
		"process": object{
			"pid": num("4711"), "tid": num("4711"), "start": num("3599000000000"), "uid": num("1000"), "gid": num("1000"),
			"comm": "python3", "exe": "/usr/bin/python3.12", "exe_id": object{"dev": num("8388609"), "ino": num("99")},
		},
		"parent": object{"pid": num("4700"), "start": num("3598000000000"), "comm": "sh"}, "cgroup_id": num("815"),
		"pod":    object{"uid": "u", "namespace": "ns", "name": "web", "container": "app", "container_id": "c1", "image": "sha256:aa"},
		"policy": policy, "verdict": "deny", "action": "network.request", "hook": "file_open",
	}
	off := d
	off.Verdict, off.Errno, off.Disabled = WouldDeny, 0, true
	plus := func(a, b object) object {
		out := object{}
		for _, m := range []object{a, b} {
			for k, v := range m {
				out[k] = v
			}
		}
		return out
	}
	for _, c := range []struct {
		rec  Record
		want object
	}{
		{&d, plus(identity, object{"kind": "decision", "cpu": num("0"), "kseq": num("9"), "ktime": num("3600000000009"), "errno": num("13")})},
		{&Counted{d, 5, 1, 2}, plus(identity, object{"kind": "counted", "count": num("5"), "first": num("1"), "last": num("2")})},
		{&PolicyApplied{pol, "enforce", "image"}, object{"kind": "policy.applied", "policy": policy, "mode": "enforce", "baseline": "image"}},
		{&PolicyRejected{pol, "bad"}, object{"kind": "policy.rejected", "policy": policy, "reason": "bad"}},
		{&clockStep{-5, 7}, object{"kind": "clock.step", "step": json.Number("-5"), "over": json.Number("7")}},
		{&shipped{"a", 9, 3}, object{"kind": "ship.acked", "anchor": "a", "size": json.Number("9"), "delay": json.Number("3")}},
		{&shipLagging{"a", 9, "b"}, object{"kind": "ship.lagging", "anchor": "a", "size": json.Number("9"), "reason": "b"}},
		{&segmentRemoved{"s", 1, 5, 77, "age", 4}, object{"kind": "segment.removed", "segment": "s", "base": json.Number("1"), "upto": json.Number("5"), "bytes": json.Number("77"), "reason": "age", "acked": json.Number("4")}},
		{&PolicyRemoved{pol, "gone"}, object{"kind": "policy.removed", "policy": policy, "reason": "gone"}},
		{&Binding{CgroupPath: []byte("/a"), CgroupID: 3, Delay: -4, Policy: pol}, object{"kind": "pod.claimed", "subject": "/a", "cgroup_id": num("3"), "delay": num("-4"), "policy": policy}},
		{&Binding{Released: true, Policy: pol}, object{"kind": "pod.released", "subject": "", "cgroup_id": num("0"), "delay": num("0"), "policy": policy}},
		{
			&Loss{CPU: 1, Hook: "file_open", Reason: "ring-full", Ranges: []SeqRange{{1, 2}, {5, 5}}, Count: 7},
			object{"kind": "loss", "cpu": num("1"), "hook": "file_open", "reason": "ring-full", "ranges": []any{[]any{num("1"), num("2")}, []any{num("5"), num("5")}}, "count": num("7")},
		},
		{
			&Heartbeat{CPUs: []CPUCounters{{1, 2, 3, 4, 5}}, Final: true},
			object{"kind": "heartbeat", "final": true, "cpus": []any{object{"cpu": num("1"), "seq": num("2"), "emitted": num("3"), "counted": num("4"), "lost": num("5")}}},
		},
		{
			&AgentStart{Version: "1", LSM: []string{"lockdown", "bpf"}, Kernel: "6.12", PID: 8, LoadID: "l"},
			object{"kind": "agent.start", "version": "1", "kernel": "6.12", "pid": num("8"), "config": zero, "lsm": []any{"lockdown", "bpf"}, "load_id": "l"},
		},
		{
			&OffSwitch{At: 5, CgroupID: 6, Until: 7, UID: 8, PID: 9, Comm: []byte("node-agent"), Reason: "an outage"},
			object{"kind": "disabled", "scope": "binding", "cgroup_id": num("6"), "at": num("5"), "until": num("7"), "by": object{"uid": num("8"), "pid": num("9"), "comm": "node-agent"}, "reason": "an outage"},
		},
		{
			&OffSwitch{On: true, At: 5, Expired: true, Reason: "expired"},
			object{"kind": "enabled", "scope": "node", "cgroup_id": num("0"), "at": num("5"), "reason": "expired"},
		},
		{&off, plus(identity, object{"kind": "decision", "cpu": num("0"), "kseq": num("9"), "ktime": num("3600000000009"), "verdict": "would-deny", "disabled": true})},
		{&AgentStop{Reason: "done"}, object{"kind": "agent.stop", "reason": "done"}},
	} {
		t.Run(c.rec.Kind(), func(t *testing.T) {
			if diff := cmp.Diff(c.want, decode(t, c.rec)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Section 3 of the format: texts.
func TestAnySubjectIsRecoverableExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "/", "\n", "\"", "\\", "\x00", "\x1b[31m", "\xff", "\xc3", "é", "\u2028", "\u2029", "\u0085", "\u202e", "\U0001f600", "}", `"}` + "\n" + `{"v":1`}
	for range 20_000 {
		var s []byte
		for range rng.IntN(30) {
			s = append(s, alphabet[rng.IntN(len(alphabet))]...)
		}
		m := decode(t, &Decision{Verdict: Deny, Subject: s})
		got := []byte(m["subject"].(string))
		if b64, ok := m["subject_b64"]; ok {
			var err error
			got, err = base64.StdEncoding.DecodeString(b64.(string))
			check(t, err)
		} else if !utf8.Valid(s) {
			t.Fatalf("%q has no exact form", s)
		}
		if !bytes.Equal(got, s) {
			t.Fatalf("%q became %q", s, got)
		}
		if want := strings.ToValidUTF8(string(s), "\uFFFD"); utf8.Valid(s) && m["subject"] != want {
			t.Fatalf("%q reads %q", s, m["subject"])
		}
	}
}

func TestControlCharactersAreEscaped(t *testing.T) {
	for r := range rune(0x10000) {
		if utf8.ValidRune(r) && (r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0x202e) {
			b, valid := appendQuote(nil, string(r))
			if !valid || bytes.ContainsRune(b, r) || len(b) < 4 {
				t.Errorf("%U is written as %q", r, b)
			}
		}
	}
}

func TestLongTextsAreCutAndSaySo(t *testing.T) {
	path := bytes.Repeat([]byte("/\x01\xfe\xc3\xa9"), 4096/5)
	for name, c := range map[string]struct {
		subject, exe []byte
		reason       string
		exact        bool
	}{
		"a long path":              {subject: bytes.Repeat([]byte("/abc"), 1024), exact: true},
		"two paths of odd bytes":   {subject: path, exe: path, exact: true},
		"longer than any path":     {subject: bytes.Repeat([]byte("/abc"), 5000)},
		"everything at its limits": {subject: path, exe: path, reason: strings.Repeat("\x01", 100_000), exact: true},
		"control characters":       {subject: bytes.Repeat([]byte{1}, 4096), exe: bytes.Repeat([]byte{2}, 4096), exact: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := decode(t, &Decision{Subject: c.subject, Process: Process{Exe: c.exe}, Reason: c.reason})
			got := []byte(m["subject"].(string))
			if b64, ok := m["subject_b64"].(string); ok {
				got, _ = base64.StdEncoding.DecodeString(b64)
			}
			if bytes.Equal(got, c.subject) != c.exact || !bytes.HasPrefix(c.subject, got) {
				t.Errorf("subject of %d bytes kept as %d", len(c.subject), len(got))
			}
			if n, ok := m["subject_truncated"].(json.Number); ok && n != num(jsonLen(c.subject)) || !c.exact && !ok {
				t.Errorf("subject_truncated is %v", m["subject_truncated"])
			}
		})
	}
}

func jsonLen(b []byte) string { return string(appendUint(nil, uint64(len(b)))) }

func TestLongListsBecomeSeveralRecords(t *testing.T) {
	m := newMemFS(nil)
	l := openMem(t, m)
	const cpus = 257
	beat, loss := &Heartbeat{}, &Loss{Reason: "ring-full"}
	for i := range uint32(cpus) {
		beat.CPUs = append(beat.CPUs, CPUCounters{i, 0, 1<<64 - 1, 0, 1<<64 - 1})
	}
	for i := range uint64(500) {
		loss.Ranges = append(loss.Ranges, SeqRange{1<<61 + 10*i, 1<<61 + 10*i + 5})
	}
	check(t, l.Append(beat))
	check(t, l.Append(loss))
	check(t, l.Close(t.Context(), &AgentStop{CPUs: beat.CPUs}))
	r := verifyMem(t, m)
	if r.Kinds[KindHeartbeat] != 3+2 || r.Kinds[KindLoss] != 3 || r.Kinds[KindAgentStop] != 1 || r.Balance.Declared != 3000 {
		t.Errorf("%v %+v", r.Kinds, r.Balance.Declared)
	}
}

func TestRecordThatCannotFitIsRefused(t *testing.T) {
	lsm := make([]string, 2000)
	for i := range lsm {
		lsm[i] = "some-security-module"
	}
	if _, err := appendBody(nil, &AgentStart{LSM: lsm}); !errors.Is(err, ErrRecordTooLarge) {
		t.Errorf("got %v", err)
	}
}

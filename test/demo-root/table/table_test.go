// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const exe = "/usr/bin/python3.11"

// kept is what a run leaves behind that is as promised.
func kept() ([]agent, []*record) {
	a := agent{name: "python"}
	var records []*record
	for i, p := range promises {
		s := said{Attempt: p.attempt, Result: p.result}
		r := &record{Seq: uint64(i), Kind: "decision", Verdict: p.verdict, Action: p.action, Subject: p.subject, Rule: p.rule}
		r.Process.Exe = exe
		if p.attempt == "start" {
			s.Exe, r.Subject, r.Process.Exe = exe, exe, "/usr/bin/dash"
		}
		if p.verdict == "deny" {
			r.Errno = int(unix.EACCES)
		}
		a.said = append(a.said, s)
		records = append(records, r)
	}
	return []agent{a}, records
}

func at(attempt string) int {
	return slices.IndexFunc(promises, func(p promise) bool { return p.attempt == attempt })
}

func TestJoin(t *testing.T) {
	for name, c := range map[string]struct {
		change func(a *agent, r *[]*record)
		fault  string // part of what the table says; empty: all as promised
	}{
		"as promised":         {func(*agent, *[]*record) {}, ""},
		"no report":           {func(a *agent, _ *[]*record) { a.said = slices.Delete(a.said, at("secret"), at("secret")+1) }, "reported it 0 times"},
		"two reports":         {func(a *agent, _ *[]*record) { a.said = append(a.said, a.said[at("secret")]) }, "reported it 2 times"},
		"nothing denied":      {func(a *agent, _ *[]*record) { a.said[at("shadow")].Result = "ok" }, "got ok, promised was EACCES"},
		"another errno":       {func(a *agent, _ *[]*record) { a.said[at("node")].Result = "ECONNREFUSED" }, "got ECONNREFUSED"},
		"work denied":         {func(a *agent, _ *[]*record) { a.said[at("data")].Result = "EACCES" }, "got EACCES, promised was ok"},
		"no record":           {func(_ *agent, r *[]*record) { *r = slices.Delete(*r, at("shell"), at("shell")+1) }, "the log has no record"},
		"one record for two":  {func(_ *agent, r *[]*record) { *r = slices.Delete(*r, at("symlink"), at("symlink")+1) }, "the log has no record"},
		"only observed":       {func(_ *agent, r *[]*record) { (*r)[at("shell")].Verdict = "would-deny" }, "the log has no record"},
		"another's record":    {func(_ *agent, r *[]*record) { (*r)[at("shell")].Process.Exe = "/usr/bin/node" }, "the log has no record"},
		"another rule":        {func(_ *agent, r *[]*record) { (*r)[at("shell")].Rule = "default" }, "the rule is default"},
		"errno of the log":    {func(_ *agent, r *[]*record) { (*r)[at("secret")].Errno = int(unix.EPERM) }, "the log says errno EPERM"},
		"further denial":      {func(_ *agent, r *[]*record) { *r = append(*r, &record{Seq: 99, Verdict: "deny"}) }, "no attempt explains record 99"},
		"further observation": {func(_ *agent, r *[]*record) { *r = append(*r, &record{Seq: 99, Verdict: "would-deny"}) }, "no attempt explains"},
		"further report":      {func(a *agent, _ *[]*record) { a.said = append(a.said, said{Attempt: "mischief"}) }, "not planned: mischief"},
	} {
		t.Run(name, func(t *testing.T) {
			agents, records := kept()
			c.change(&agents[0], &records)
			table := join(agents, records)
			var out bytes.Buffer
			if err := table.write(&out, false); err != nil {
				t.Fatal(err)
			}
			if table.failed() != (c.fault != "") || !strings.Contains(out.String(), c.fault) {
				t.Errorf("failed: %v, want a fault with %q in:\n%s", table.failed(), c.fault, &out)
			}
			if strings.Contains(out.String(), "Programs and log agree") == table.failed() {
				t.Errorf("the last line is wrong:\n%s", &out)
			}
		})
	}
}

func TestFlipChangesOneByte(t *testing.T) {
	const log = `{"seq":6,"kind":"decision","verdict":"allow","subject":"/etc/shadow","process":{"pid":1,"uid":0}}
{"seq":7,"kind":"decision","verdict":"deny","subject":"/etc/shadow","process":{"pid":1,"uid":0,"gid":0}}
`
	file := filepath.Join(t.TempDir(), "0-a.jsonl")
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := flip(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte(log)
	want[f.offset] = '1'
	if f.seq != 7 || log[f.offset] != '0' || !bytes.Equal(got, want) {
		t.Errorf("flipped %+v, which gives\n%s", f, got)
	}
}

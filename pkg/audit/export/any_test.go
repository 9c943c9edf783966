// SPDX-License-Identifier: MIT

package export

import (
	"bytes"
	"encoding/csv"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// Programs name their files and themselves with any bytes: every form of export
// stays what it is, and holds every record.
func TestAnyBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	text := func() []byte {
		b := make([]byte, rng.IntN(40))
		for i := range b {
			b[i] = "\x00\x1b\n\r\t\"',;=+-@\\/\xff\xc3\xa9\xe2\x80\xae{}a"[rng.IntN(24)]
		}
		return b
	}
	dir := filepath.Join(t.TempDir(), "log")
	l, err := audit.Open(t.Context(), dir, audit.Options{})
	check(t, err)
	actions := []string{"file.read", "file.write", "process.exec", "network.request", "system", "odd.verb"}
	for n := range 500 {
		check(t, l.Append(&audit.Decision{
			Verdict: audit.Deny, Action: actions[n%len(actions)], Hook: "hook", KSeq: uint64(n + 1), Subject: text(), Reason: string(text()), Rule: string(text()), Class: string(text()),
			Network: audit.Network{Addr: string(text()), Port: uint16(n), Protocol: string(text())},
			Process: audit.Process{PID: uint32(n), Comm: text(), Exe: text()}, Parent: audit.Parent{PID: 1, Comm: text()},
			Pod: audit.Pod{Namespace: string(text()), Name: string(text()), Image: string(text())}, Policy: audit.Policy{Name: string(text())},
		}))
	}
	check(t, l.Close(t.Context()))
	out, entries := export(t, dir, "ocsf")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != len(entries) {
		t.Fatalf("%d events for %d records", len(lines), len(entries))
	}
	compiled := map[string]*jsonschema.Schema{}
	for _, line := range lines {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		check(t, err)
		class := line[strings.Index(line, `"class_uid":`)+12:][:4]
		if compiled[class] == nil {
			uid := 0
			for _, c := range class {
				uid = uid*10 + int(c-'0')
			}
			compiled[class] = schema(t, uid)
		}
		if err := compiled[class].Validate(doc); err != nil {
			t.Fatalf("%v\n%s", err, line)
		}
	}
	out, entries = export(t, dir, "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	check(t, err)
	if len(rows) != len(entries)+1 {
		t.Fatalf("%d rows for %d records", len(rows), len(entries))
	}
	for i, e := range entries {
		if row := rows[i+1]; !bytes.Equal([]byte(row[len(row)-1]), e.Line) {
			t.Fatalf("row %d lost bytes of its record", i)
		}
	}
}

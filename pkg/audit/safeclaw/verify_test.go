// SPDX-License-Identifier: MIT

package safeclaw

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// write is what SafeClaw's appendEntry makes of n entries.
func write(n int) []string {
	prev := genesis
	var lines []string
	for i := range n {
		line := fmt.Sprintf(`{"timestamp":"2026-02-13T10:00:%02d.000Z","toolName":"Read","actionType":"file.read","resource":"/srv/%d","outcome":"allow","source":"gateway","prevHash":"%s"}`, i%60, i, prev)
		lines = append(lines, line)
		prev = sum([]byte(line))
	}
	return lines
}

func verify(t *testing.T, file string, a *Anchor) *Report {
	t.Helper()
	r, err := Verify(t.Context(), strings.NewReader(file), "audit.jsonl", a)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func file(lines ...string) string { return strings.Join(lines, "\n") + "\n" }

func TestVerdicts(t *testing.T) {
	l := write(9)
	edit := func(at int, from, to string) []string {
		c := slices.Clone(l)
		c[at] = strings.Replace(c[at], from, to, 1)
		return c
	}
	good := &Anchor{6, sum([]byte(l[5]))}
	// Every hash from the fourth line on is computed anew.
	forged := write(3)
	for i := 3; i < 9; i++ {
		line := strings.Replace(l[i], "allow", "deny", 1)
		line = line[:strings.Index(line, `"prevHash"`)] + `"prevHash":"` + sum([]byte(forged[i-1])) + `"}`
		forged = append(forged, line)
	}
	stripped := slices.Clone(l)
	for i := 4; i < 9; i++ {
		stripped[i] = strings.Replace(stripped[i], `,"prevHash":"`+sum([]byte(l[i-1]))+`"`, "", 1)
	}
	old := []string{`{"outcome":"allow"}`, `{"outcome":"deny"}`}
	chained := `{"outcome":"allow","prevHash":"` + sum([]byte(old[1])) + `"}`
	for name, c := range map[string]struct {
		file    string
		anchor  *Anchor
		verdict Verdict
		line    uint64 // of the first bad line
		entries uint64
	}{
		"whole":                            {file(l...), nil, Unanchored, 0, 9},
		"whole, anchored":                  {file(l...), good, Proven, 0, 9},
		"empty lines":                      {file(l[0], "", " ", l[1]), nil, Unanchored, 0, 2},
		"first lines older than chain":     {file(old[0], old[1], chained), nil, Unanchored, 0, 3},
		"empty file":                       {"", nil, Incomplete, 0, 0},
		"empty file, anchored":             {"", good, Tampered, 1, 0},
		"torn":                             {file(l[:8]...) + l[8][:40], nil, Incomplete, 0, 8},
		"cut":                              {file(l[:5]...), nil, Unanchored, 0, 5},
		"cut, anchored":                    {file(l[:5]...), good, Tampered, 6, 5},
		"cut behind the anchor":            {file(l[:7]...), good, Proven, 0, 7},
		"changed":                          {file(edit(4, "/srv/4", "/srv/x")...), nil, Tampered, 5, 4},
		"last line changed":                {file(edit(8, "/srv/8", "/srv/x")...), nil, Unanchored, 0, 9},
		"last line changed, anchored":      {file(edit(8, "/srv/8", "/srv/x")...), &Anchor{9, sum([]byte(l[8]))}, Tampered, 9, 9},
		"prevHash changed":                 {file(edit(4, sum([]byte(l[3])), sum(nil))...), nil, Tampered, 5, 4},
		"last prevHash changed":            {file(edit(8, sum([]byte(l[7])), sum(nil))...), nil, Tampered, 9, 8},
		"removed":                          {file(slices.Delete(slices.Clone(l), 4, 5)...), nil, Tampered, 4, 3},
		"first removed":                    {file(l[1:]...), nil, Tampered, 1, 0},
		"doubled":                          {file(slices.Insert(slices.Clone(l), 4, l[4])...), nil, Tampered, 5, 4},
		"hashes stripped":                  {file(stripped...), nil, Tampered, 5, 4},
		"all hashes anew":                  {file(forged...), nil, Unanchored, 0, 9},
		"all hashes anew, anchored":        {file(forged...), good, Tampered, 6, 6},
		"begun anew":                       {file(append(slices.Clone(l), write(2)...)...), nil, Tampered, 10, 9},
		"no JSON":                          {file(l[0], "x", l[1]), nil, Tampered, 2, 1},
		"a prevHash that is no string":     {file(l[0], `{"prevHash":7}`), nil, Tampered, 2, 1},
		"not UTF-8":                        {file(l[0], "{\"a\":\"\xff\"}"), nil, Tampered, 2, 1},
		"an append to a torn last line":    {file(l[0], l[1][:30]+l[2]), nil, Tampered, 2, 1},
		"a line that spans many buffers":   {file(`{"x":"` + strings.Repeat("y", 1<<20) + `","prevHash":"GENESIS"}`), nil, Unanchored, 0, 1},
		"an anchor with another last line": {file(l...), &Anchor{6, sum(nil)}, Tampered, 6, 6},
	} {
		t.Run(name, func(t *testing.T) {
			r := verify(t, c.file, c.anchor)
			var line uint64
			if r.Bad != nil {
				line = r.Bad.Line
				if at := offsetOf(c.file, line); r.Bad.Offset != at {
					t.Errorf("byte %d, want %d", r.Bad.Offset, at)
				}
			}
			if r.Verdict != c.verdict || line != c.line || r.Entries != c.entries {
				t.Errorf("%s, line %d, %d entries; want %s, %d, %d\n%s", r.Verdict, line, r.Entries, c.verdict, c.line, c.entries, strings.Join(r.Statement, "\n"))
			}
			if code := map[Verdict]int{Proven: 0, Tampered: 1, Incomplete: 2, Unanchored: 2}[c.verdict]; r.ExitCode() != code {
				t.Errorf("exit %d", r.ExitCode())
			}
			if !strings.Contains(strings.Join(r.Statement, " "), "cannot prove") {
				t.Error("it does not say what it cannot prove")
			}
		})
	}
}

// Every bit of a chained log but those of its last line is found.
func TestEveryFlippedBit(t *testing.T) {
	data := []byte(file(write(6)...))
	last := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	for i := range len(data) * 8 {
		mutated := bytes.Clone(data)
		mutated[i/8] ^= 1 << (i % 8)
		r := verify(t, string(mutated), nil)
		line := uint64(bytes.Count(data[:i/8], []byte{'\n'})) + 1
		if i/8 < last && (r.Verdict != Tampered || r.Bad.Line > line+1) {
			t.Fatalf("bit %d of line %d: %s %+v", i, line, r.Verdict, r.Bad)
		}
		anchored := verify(t, string(mutated), &Anchor{6, sum(data[last : len(data)-1])})
		if anchored.Verdict == Proven {
			t.Fatalf("bit %d of line %d: proven against an anchor", i, line)
		}
	}
}

func TestTooLongALine(t *testing.T) {
	if _, err := Verify(t.Context(), strings.NewReader(strings.Repeat("x", maxLine+1)), "f", nil); err == nil {
		t.Error("a line without end was read")
	}
}

func offsetOf(file string, line uint64) int64 {
	off := 0
	for range line - 1 {
		off += strings.IndexByte(file[off:], '\n') + 1
	}
	return int64(off)
}

// Whatever is put into a log in the place of something else, an anchor of the
// whole finds it.
func FuzzVerify(f *testing.F) {
	good := file(write(5)...)
	anchor := &Anchor{5, sum([]byte(strings.Split(good, "\n")[4]))}
	f.Add(0, 0, "")
	f.Add(10, 3, "x")
	f.Add(len(good), 0, "{}\n")
	f.Fuzz(func(t *testing.T, at, drop int, insert string) {
		at = min(max(at, 0), len(good))
		drop = min(max(drop, 0), len(good)-at)
		data := good[:at] + insert + good[at+drop:]
		r, err := Verify(t.Context(), strings.NewReader(data), "f", anchor)
		if err != nil {
			t.Fatal(err)
		}
		// Lines that SafeClaw skips, and entries after the anchor's, change nothing
		// of what it covers.
		if r.Verdict == Proven && !strings.HasPrefix(strip(data), strip(good)) {
			t.Errorf("proven: %q for %d bytes at %d", insert, drop, at)
		}
	})
}

// strip takes out the lines that SafeClaw skips.
func strip(file string) string {
	var b strings.Builder
	for line := range strings.Lines(file) {
		if strings.TrimSpace(line) != "" {
			b.WriteString(line)
		}
	}
	return b.String()
}

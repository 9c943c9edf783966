package auditforge

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
)

// Attack is what somebody does to a log, and what a verifier must say of it.
type Attack struct {
	Name string
	Of   string // A1 ... of the format's section 8; "" for what is no attack
	Base string
	What string // in words
	// Do changes the log. It is given a copy.
	Do func(l Log, others map[string]Log)
	// Verdict is what a verifier says that has the files only, Anchored if it has
	// an anchor of the whole log as it was before, Keyed if it has the birth key.
	Verdict, Anchored, Keyed audit.Outcome
	// Bad is the first bad record without an anchor, -1 where it is no record of
	// a segment, -2 where several could be named.
	Bad int
}

const (
	proven     = audit.Proven
	tampered   = audit.Tampered
	incomplete = audit.Incomplete
	unanchored = audit.Unanchored
	loss       = audit.LossUnexplained
)

// edit changes the records of a log.
func edit(change func(rs []Record) []Record) func(Log, map[string]Log) {
	return func(l Log, _ map[string]Log) { l.SetRecords(change(l.Records())) }
}

// rewrite is edit, and computes what needs no key anew.
func rewrite(change func(rs []Record) []Record) func(Log, map[string]Log) {
	return func(l Log, _ map[string]Log) { l.SetRecords(Rechain(l, change(l.Records()))) }
}

func replace(at int, old, new string) func([]Record) []Record {
	return func(rs []Record) []Record {
		line := bytes.Replace(rs[at].Line, []byte(old), []byte(new), 1)
		if bytes.Equal(line, rs[at].Line) {
			panic(fmt.Sprintf("no %s in %s", old, rs[at].Line))
		}
		rs[at].Line = line
		return rs
	}
}

func without(drop func(i int, r Record) bool) func([]Record) []Record {
	return func(rs []Record) (out []Record) {
		for i, r := range rs {
			if !drop(i, r) {
				out = append(out, r)
			}
		}
		return out
	}
}

func both(a, b func([]Record) []Record) func([]Record) []Record {
	return func(rs []Record) []Record { return b(a(rs)) }
}

func points(from int) func(int, Record) bool {
	return func(i int, r Record) bool { return i >= from && r.Kind() == "checkpoint" }
}

func drop(at int) func(int, Record) bool { return func(i int, _ Record) bool { return i == at } }

func first(n int) func([]Record) []Record {
	return func(rs []Record) []Record { return rs[:n] }
}

// headBack makes the log remember no more than the checkpoint in a record.
func headBack(l Log, rs []Record, at int) {
	l["head"] = []byte(noteIn(rs[at].Line))
}

var noteMember = regexp.MustCompile(`"note":"((?:[^"\\]|\\.)*)"`)

func noteIn(line []byte) string {
	m := noteMember.FindSubmatch(line)
	return strings.NewReplacer(`\n`, "\n", `\"`, `"`, `\\`, `\`).Replace(string(m[1]))
}

// cut leaves the first n records, and no memory of more.
func cut(n, head int) func(Log, map[string]Log) {
	return func(l Log, _ map[string]Log) {
		rs := l.Records()
		headBack(l, rs, head)
		l.SetRecords(rs[:n])
	}
}

// Attacks are all of them. In the base "plain": 0 header, 1 birth, 2 commit, 3
// start, 4 checkpoint, 5 commit, then three times decision, heartbeat,
// decision, checkpoint, commit (6 to 20), 21 stop, 22 checkpoint, 23 commit. The base
// "rotated" has its seals at 11 and 26.
func Attacks() []Attack {
	all := slices.Concat(plainAttacks(), rewriteAttacks(), cutAttacks(), fileAttacks(), downgrades())
	for i := range all {
		a := &all[i]
		if a.Keyed == "" {
			a.Keyed = a.Verdict
		}
		if a.Anchored == "" {
			a.Anchored = a.Verdict
		}
	}
	return all
}

func plainAttacks() []Attack {
	edited := replace(11, "secret-3", "secret-9")
	return []Attack{
		{"plain", "", "plain", "nothing", func(Log, map[string]Log) {}, unanchored, proven, "", -1},
		{"rotated", "", "rotated", "nothing", func(Log, map[string]Log) {}, unanchored, proven, "", -1},
		{"removed", "", "removed", "nothing: retention removed the oldest segments, and says so", func(Log, map[string]Log) {}, unanchored, proven, "", -1},
		{"torn", "", "torn", "nothing: a crash tore the end, and the next start repaired it", func(Log, map[string]Log) {}, unanchored, proven, "", -1},
		{"other", "", "other", "nothing: another log of the same node", func(Log, map[string]Log) {}, unanchored, proven, "", -1},
		{"gap", "A8", "gap", "a decision of the kernel is neither in the log nor declared lost", func(Log, map[string]Log) {}, loss, loss, "", -1},
		{"edited", "A1", "plain", "the subject of a decision changed", edit(edited), tampered, "", "", 11},
		{"edited-commit", "A1", "plain", "the size in a commit changed", edit(replace(15, `"size":15`, `"size":14`)), tampered, "", "", 15},
		{"edited-last", "A1", "plain", "the last record changed", edit(replace(23, `"mono":`, `"mono":1`)), tampered, "", "", 23},
		{"edited-header", "A1", "rotated", "the id in a header changed", edit(replace(12, `"previous":"`, `"previous":"0`)), tampered, "", "", 12},
		{"dropped", "A1", "plain", "a decision removed", edit(without(drop(11))), tampered, "", "", 11},
		{"dropped-first", "A1", "plain", "the header removed", edit(without(drop(0))), tampered, "", "", 0},
		{"doubled", "A1", "plain", "a decision written twice", edit(func(rs []Record) []Record { return slices.Insert(rs, 12, rs[11]) }), tampered, "", "", 12},
		{"swapped", "A1", "plain", "two decisions change places", edit(func(rs []Record) []Record { rs[11], rs[13] = rs[13], rs[11]; return rs }), tampered, "", "", 11},
		{"inserted", "A1", "plain", "a line that is no record", edit(func(rs []Record) []Record { return slices.Insert(rs, 12, Record{rs[0].Segment, []byte("{}")}) }), tampered, "", "", 12},
		{"spliced", "A1", "plain", "a decision of another log in the place of one", func(l Log, o map[string]Log) {
			rs := l.Records()
			rs[11].Line = o["other"].Records()[11].Line
			l.SetRecords(rs)
		}, tampered, "", "", 11},
		{"spliced-log", "A1", "plain", "the segment of another log under the name of this one's", func(l Log, o map[string]Log) {
			l[l.Segments()[0]] = o["other"][o["other"].Segments()[0]]
		}, tampered, "", "", 0},
		{"spliced-segment", "A1", "rotated", "a decision of another segment of the same log", edit(func(rs []Record) []Record { rs[21].Line = rs[6].Line; return rs }), tampered, "", "", 21},
		{"swapped-segments", "A1", "rotated", "two segments change names", func(l Log, _ map[string]Log) {
			s := l.Segments()
			l[s[0]], l[s[1]] = l[s[1]], l[s[0]]
		}, tampered, "", "", 0},
	}
}

func rewriteAttacks() []Attack {
	edited := replace(11, "secret-3", "secret-9")
	return []Attack{
		{"rewritten", "A2", "plain", "a decision changed, every hash after it computed anew", rewrite(edited), tampered, "", "", 14},
		{"rewritten-unsigned", "A2", "plain", "the same, checkpoints after it taken out, and what the log remembers put back", func(l Log, _ map[string]Log) {
			rs := l.Records()
			headBack(l, rs, 9)
			l.SetRecords(Rechain(l, without(points(11))(edited(rs))))
		}, unanchored, tampered, "", -1},
		{"rewritten-sealed", "A2", "rotated", "a decision of a sealed segment changed, every hash after it computed anew", rewrite(replace(6, "secret-1", "secret-9")), tampered, "", "", 9},
		{"rewritten-sealed-unsigned", "A2", "rotated", "the same without its checkpoint", rewrite(both(replace(6, "secret-1", "secret-9"), without(drop(9)))), tampered, "", "", 10},
		{"reborn", "A4", "plain", "the whole log made anew with another birth key, under its old name", func(l Log, _ map[string]Log) {
			l.SetRecords(Resign(l, edited(l.Records()), AttackersKey(l.Origin()), 0))
			l["headers"] = append(l.Records()[0].Line, '\n')
		}, unanchored, tampered, tampered, -1},
		{"resigned-sealed", "A6", "rotated", "a sealed segment made anew with another key, certified by nobody", func(l Log, _ map[string]Log) {
			l.SetRecords(Resign(l, replace(16, "secret-3", "secret-9")(l.Records()), AttackersKey(l.Origin()), 12))
		}, tampered, "", "", 12},
		{"unsigned-span", "A2", "plain", "decisions of a minute written after the last checkpoint, which nobody signed", func(l Log, _ map[string]Log) {
			rs := l.Records()
			headBack(l, rs, 19)
			more := rs[:21]
			for i := range 4 {
				for _, r := range rs[16:21] {
					if r.Kind() != "checkpoint" {
						r.Line = regexp.MustCompile(`"mono":\d+`).ReplaceAll(r.Line, fmt.Appendf(nil, `"mono":%d`, 3_630_000_000_000+i*15_000_000_000))
						r.Line = regexp.MustCompile(`"kseq":(\d)`).ReplaceAll(r.Line, []byte(`"kseq":0`))
						more = append(more, r)
					}
				}
			}
			l.SetRecords(Rechain(l, more))
		}, tampered, "", "", 28},
	}
}

func cutAttacks() []Attack {
	return []Attack{
		{"cut", "A3", "plain", "the end cut off at a commit, what the log remembers (head) put back", cut(16, 14), unanchored, tampered, "", -1},
		{"cut-remembered", "A3", "plain", "the end cut off at a commit", edit(first(16)), tampered, "", "", -1},
		{"cut-line", "A3", "plain", "the end cut off inside a line, head put back", func(l Log, _ map[string]Log) {
			cut(18, 14)(l, nil)
			s := l.Segments()[0]
			l[s] = l[s][:len(l[s])-100]
		}, incomplete, tampered, "", -1},
		{"cut-group", "A3", "plain", "the end cut off behind a record that is not committed, head put back", cut(18, 14), incomplete, tampered, "", -1},
		{"cut-to-birth", "A3", "plain", "all but the birth cut off, head removed", func(l Log, _ map[string]Log) {
			delete(l, "head")
			l.SetRecords(l.Records()[:3])
		}, unanchored, tampered, "", -1},
		{"emptied", "A3", "plain", "the segment emptied", edit(first(0)), tampered, "", "", -1},
		{"cut-sealed", "A3", "rotated", "the end of a sealed segment cut off", func(l Log, _ map[string]Log) {
			s := l.Segments()[0]
			l[s] = l[s][:bytes.LastIndexByte(l[s][:len(l[s])-1], '\n')+1]
		}, tampered, "", "", 11},
		{"zeros", "", "plain", "zeros after the end, as some file systems leave after a crash", func(l Log, _ map[string]Log) {
			l[l.Segments()[0]] = append(l[l.Segments()[0]], make([]byte, 300)...)
		}, incomplete, "", "", -1},
		{"text-after-zeros", "A1", "plain", "text after zeros at the end, which no crash leaves", func(l Log, _ map[string]Log) {
			l[l.Segments()[0]] = append(append(l[l.Segments()[0]], make([]byte, 20_000)...), 'x')
		}, tampered, "", "", 24},
		{"rolled-back", "A5", "rotated", "an older copy of the whole log put back", func(l Log, _ map[string]Log) {
			s := l.Segments()
			rs := l.Records()
			headBack(l, rs, 19)
			for _, name := range s[2:] {
				delete(l, name)
			}
			l[s[1]] = nil
			for _, r := range rs[12:21] {
				l[s[1]] = append(append(l[s[1]], r.Line...), '\n')
			}
			l["headers"] = slices.Concat(rs[0].Line, []byte("\n"), rs[12].Line, []byte("\n"))
		}, unanchored, tampered, "", -1},
	}
}

func fileAttacks() []Attack {
	remove := func(i int) func(Log, map[string]Log) {
		return func(l Log, _ map[string]Log) {
			s := l.Segments()
			delete(l, s[(i+len(s))%len(s)])
		}
	}
	return []Attack{
		{"no-first-segment", "A4", "rotated", "the first segment removed", remove(0), tampered, "", "", -2},
		{"no-middle-segment", "A4", "rotated", "a segment in the middle removed", remove(1), tampered, "", "", 12},
		{"no-last-segment", "A4", "rotated", "the last segment removed", remove(-1), tampered, "", "", -2},
		{"no-segments", "A4", "rotated", "all segments removed", func(l Log, _ map[string]Log) {
			for _, s := range l.Segments() {
				delete(l, s)
			}
		}, tampered, "", "", -1},
		{"no-origin", "A4", "plain", "the birth note removed", func(l Log, _ map[string]Log) { delete(l, "origin") }, tampered, "", "", -1},
		{"no-headers", "A4", "removed", "the headers removed, of a log whose first segments are gone", func(l Log, _ map[string]Log) { delete(l, "headers") }, tampered, "", "", -1},
		{"more-removed", "A4", "removed", "one segment more removed than retention says", remove(0), tampered, "", "", -2},
		{"edited-origin", "A1", "plain", "the name of the node in the birth note changed", func(l Log, _ map[string]Log) {
			l["origin"] = bytes.Replace(l["origin"], []byte("node-1"), []byte("node-2"), 1)
		}, tampered, "", "", -1},
		{"foreign-head", "A5", "plain", "head of another log", func(l Log, o map[string]Log) { l["head"] = o["other"]["head"] }, tampered, "", "", -1},
	}
}

func downgrades() []Attack {
	const signature = `\n\n— `
	strip := func(member string) func(Record) Record {
		re := regexp.MustCompile(`,"` + member + `":"(?:[^"\\]|\\.)*"`)
		return func(r Record) Record {
			r.Line = re.ReplaceAll(r.Line, nil)
			return r
		}
	}
	each := func(change func(Record) Record, kinds ...string) func([]Record) []Record {
		return func(rs []Record) []Record {
			for i, r := range rs {
				if slices.Contains(kinds, r.Kind()) {
					rs[i] = change(r)
				}
			}
			return rs
		}
	}
	return []Attack{
		{"version-1", "A1", "plain", "one record says that it is of version 1", edit(replace(11, `{"v":2`, `{"v":1`)), tampered, "", "", 11},
		{"version-3", "A1", "plain", "one record says that it is of a version to come", edit(replace(11, `{"v":2`, `{"v":3`)), tampered, "", "", 11},
		{"no-signature", "A2", "plain", "the signatures taken out of all checkpoints, every hash computed anew", rewrite(each(func(r Record) Record {
			at := bytes.Index(r.Line, []byte(signature))
			r.Line = append(bytes.Clone(r.Line[:at]), `\n\n"}`...)
			return r
		}, "checkpoint")), tampered, "", "", 4},
		{"no-certificate", "A2", "plain", "the certificate taken out of the header, every hash computed anew", rewrite(each(strip("cert"), "segment.header")), tampered, "", "", 0},
		{"no-note", "A2", "plain", "the notes taken out of all checkpoints, every hash computed anew", rewrite(each(strip("note"), "checkpoint")), tampered, "", "", 4},
		{"no-checksum", "A2", "plain", "the checksums taken out of all commits", edit(each(strip("crc32c"), "commit")), tampered, "", "", 2},
		{"no-commits", "A2", "plain", "all commits taken out, every hash computed anew", rewrite(without(func(_ int, r Record) bool { return r.Kind() == "commit" })), tampered, "", "", -2},
		{"no-prev", "A1", "plain", "prev taken out of a record and all after it", edit(func(rs []Record) []Record {
			for i := 11; i < len(rs); i++ {
				rs[i].Line = regexp.MustCompile(`,"prev":"[0-9a-f]{64}"`).ReplaceAll(rs[i].Line, nil)
			}
			return rs
		}), tampered, "", "", 11},
		{"no-checkpoints", "A2", "rotated", "all checkpoints taken out, every hash computed anew, head removed", func(l Log, _ map[string]Log) {
			delete(l, "head")
			l.SetRecords(Rechain(l, without(points(0))(l.Records())))
		}, tampered, "", "", -2},
		{"old-origin", "A1", "plain", "the birth note of version 1, which is not signed", func(l Log, _ map[string]Log) {
			l["origin"] = []byte("safeclaw audit log v1\n" + l.Origin() + "\nnode \"node-1\"\nborn 2026-01-01T00:00:00Z\n")
		}, tampered, "", "", -1},
	}
}

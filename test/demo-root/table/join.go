// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// promise is what the demo promises of one attempt, under the reference policy.
type promise struct {
	attempt string
	text    string
	result  string // what the program gets
	verdict string // in the log; audit: allowed, and recorded in any case
	action  string
	subject string // what the kernel decides on, links resolved; empty: the agent's own executable
	rule    string
}

var promises = []promise{
	{"start", "start by docker-entrypoint.sh", "ok", "audit", "process.exec", "", "entrypoint"},
	{"data", "read /app/data/x", "ok", "allow", "file.read", "/app/data/x", "rules[0]"},
	{"output", "write /app/output/x", "ok", "allow", "file.write", "/app/output/x", "rules[1]"},
	{"shadow", "read /etc/shadow", "EACCES", "deny", "file.read", "/etc/shadow", "default"},
	{"secret", "read a mounted secret", "EACCES", "deny", "file.read", "/run/secrets/app/token", "default"},
	{"symlink", "read a link out of /app/output", "EACCES", "deny", "file.read", "/etc/shadow", "default"},
	{"overwrite", "write /app/data/x", "EACCES", "deny", "file.write", "/app/data/x", "default"},
	{"shell", "execute /bin/sh", "EACCES", "deny", "process.exec", "/usr/bin/dash", "rules[2]"},
	{"address", "connect to 192.0.2.1:443", "EACCES", "deny", "network.request", "192.0.2.1:443/tcp", "default"},
	{"node", "connect to the node, 127.0.0.1", "EACCES", "deny", "network.request", "127.0.0.1:10250/tcp", "default"},
}

// short lists what an agent leaves out: the static Go program is there for os.Create.
var short = map[string][]string{"go": {"start", "data", "output", "shadow", "overwrite"}}

type agent struct {
	name string
	said []said
}

// row is one attempt of one agent.
type row struct {
	promise
	agent  string
	result string  // what the program reported; empty: nothing
	record *record // of the log; nil: none
	faults []string
}

type table struct {
	rows []row
	// What no attempt of an agent explains: further denials, further reports.
	others []string
}

func (t *table) failed() bool {
	return len(t.others) > 0 || slices.ContainsFunc(t.rows, func(r row) bool { return len(r.faults) > 0 })
}

// join finds for each promise what the agent said and what the log says. A record answers one attempt only, so of two like attempts
// the first record is the first one's.
func join(agents []agent, records []*record) *table {
	t := &table{}
	for _, p := range promises {
		for _, a := range agents {
			if only, ok := short[a.name]; !ok || slices.Contains(only, p.attempt) {
				t.rows = append(t.rows, judge(p, a, records))
			}
		}
	}
	for _, r := range records {
		if strings.HasSuffix(r.Verdict, "deny") && !r.claimed {
			t.others = append(t.others, fmt.Sprintf("no attempt explains record %d: %s %s %s by %s (rule %s)", r.Seq, r.Verdict, r.Action,
				r.Subject, r.Process.Exe, r.Rule))
		}
	}
	for _, a := range agents {
		for _, s := range a.said {
			if !slices.ContainsFunc(t.rows, func(r row) bool { return r.agent == a.name && r.attempt == s.Attempt }) {
				t.others = append(t.others, fmt.Sprintf("%s reports an attempt that was not planned: %s", a.name, s.Attempt))
			}
		}
	}
	return t
}

func judge(p promise, a agent, records []*record) row {
	r := row{promise: p, agent: a.name}
	var exe string
	said := 0
	for _, s := range a.said {
		if s.Attempt == p.attempt {
			r.result = s.Result
			said++
		}
		if s.Attempt == "start" {
			exe = s.Exe
		}
	}
	if r.subject == "" {
		r.subject = exe
	}
	for _, rec := range records {
		// The entry point's shell is who executes the agent; all else the agent does itself.
		own := rec.Process.Exe == exe || p.attempt == "start"
		if exe != "" && own && !rec.claimed && rec.Action == p.action && rec.Subject == r.subject && rec.Verdict == p.verdict {
			rec.claimed = true
			r.record = rec
			break
		}
	}
	fault := func(format string, v ...any) { r.faults = append(r.faults, fmt.Sprintf(format, v...)) }
	switch {
	case said != 1:
		fault("the program reported it %d times", said)
	case r.result != p.result:
		fault("the program got %s, promised was %s", r.result, p.result)
	}
	if r.record == nil {
		fault("the log has no record: %s %s %s by %s", p.verdict, p.action, r.subject, exe)
		return r
	}
	if r.record.Rule != p.rule {
		fault("the rule is %s, promised was %s", r.record.Rule, p.rule)
	}
	if p.verdict == "deny" && errnoName(r.record.Errno) != r.result {
		fault("the log says errno %s, the program got %s", errnoName(r.record.Errno), r.result)
	}
	return r
}

func errnoName(n int) string {
	if s := unix.ErrnoName(syscall.Errno(n)); s != "" {
		return s
	}
	return strconv.Itoa(n)
}

// write prints the table, what differs below each row, and what was counted.
func (t *table) write(w io.Writer, color bool) error {
	lines := [][]string{{"ATTEMPT", "AGENT", "PROGRAM GOT", "RECORD", "SAYS OF", "RULE", "VERDICT"}}
	allowed, denied := 0, 0
	for _, r := range t.rows {
		result, seq, rule, verdict := r.result, "none", "", ""
		if result == "" {
			result = "nothing"
		}
		if r.record != nil {
			seq, rule, verdict = strconv.FormatUint(r.record.Seq, 10), r.record.Rule, r.record.Verdict
		}
		switch {
		case len(r.faults) > 0:
			verdict = "DIFFERS"
		case verdict == "deny":
			denied++
		default:
			allowed++
		}
		lines = append(lines, []string{r.text, r.agent, result, seq, r.subject, rule, verdict})
	}
	var width [7]int
	for _, l := range lines {
		for i, c := range l {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	var out strings.Builder
	for n, l := range lines {
		text := ""
		for i, c := range l[:6] {
			text += c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+2)
		}
		switch l[6] {
		case "VERDICT":
			text = paint("1", text+l[6])
		case "deny":
			text += paint("31", l[6])
		case "allow", "audit":
			text += paint("32", l[6])
		default:
			text += paint("1;33", l[6])
		}
		fmt.Fprintln(&out, text)
		if n > 0 {
			for _, f := range t.rows[n-1].faults {
				fmt.Fprintln(&out, paint("1;33", "    "+f))
			}
		}
	}
	for _, o := range t.others {
		fmt.Fprintln(&out, paint("1;33", o))
	}
	if !t.failed() {
		fmt.Fprintf(&out, "%d attempts: %d allowed, %d denied. Programs and log agree on each; nothing else was denied.\n", len(t.rows), allowed, denied)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

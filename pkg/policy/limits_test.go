package policy

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// lines repeats a line with its number, up to the size of the largest policy.
func lines(format string) string {
	var b strings.Builder
	b.WriteString("version: 1\nbaseline: none\nrules:\n")
	for i := 1; b.Len() < MaxSourceBytes-200 && i < MaxRules; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// values is one rule with as many values as fit, or at most n.
func values(rule, format string, n int) string {
	var b strings.Builder
	b.WriteString("version: 1\nbaseline: none\nrules:\n- {" + rule + ": [")
	for i := 1; b.Len() < MaxSourceBytes-200 && i <= n; i++ {
		fmt.Fprintf(&b, format, i)
	}
	close := strings.Repeat("}", strings.Count(rule, "{")+1)
	return b.String() + "]" + close + "\n"
}

// TestBadShapes compiles policies that were made to take long: each needs more
// than it looks like. Whether they fit or not, the work is bounded (limits.go),
// and with it the memory: all that was ever allocated stays below the 512 MiB
// that a policy may take at a time.
func TestBadShapes(t *testing.T) {
	const (
		file    = "decision: allow, action: file.read, path: {"
		run     = "decision: deny, action: process.exec, command: {"
		network = "decision: allow, action: network.request, "
		many    = 1 << 20
	)
	braces := strings.Repeat("{a,b}", 8)
	for name, src := range map[string]string{
		"contains, values":       values(file+"contains", "x%x,", many),
		"contains, rules":        lines("- {action: file.read, decision: allow, path: {contains: x%x}}\n"),
		"contains, one":          values("action: 'file.*', decision: deny, path: {contains", strings.Repeat("a", 4000)+"%d", 1),
		"contains with others":   lines("- {action: 'file.*', decision: deny, path: {contains: a%[1]x, endsWith: 'b%[1]x', glob: '**/c%[1]x*/**'}}\n"),
		"endsWith":               values(file+"endsWith", "x%x,", many),
		"deep stars, values":     values(file+"glob", "'**/*a%x*/**',", many),
		"deep stars, rules":      lines("- {action: file.read, decision: allow, path: '**/*a%x*/**'}\n"),
		"stars":                  values(file+"glob", "'/*a*b*%x',", many),
		"question marks":         values(file+"glob", "'/*a"+strings.Repeat("?", 20)+"%d'", 1),
		"more question marks":    values("action: 'file.*', decision: deny, path: {glob", "'/*a"+strings.Repeat("?", 4000)+"%d'", 1),
		"deep classes":           values(file+"glob", "'"+strings.Repeat("/**/[a-m]", 400)+"%d'", 1),
		"braces":                 values(file+"glob", "'/%x"+braces+"',", many),
		"braces first":           values(file+"glob", "'/"+braces+"/u%x"+strings.Repeat("t", 30)+"',", 80),
		"braces, long":           values(file+"glob", "'/%x"+braces+strings.Repeat("x", 4000)+"',", 60),
		"braces, nested":         values(file+"glob", "'/%x"+strings.Repeat("{", 8)+"a"+strings.Repeat(",b}", 8)+"',", many),
		"aliases":                values(file+"glob", "/var/run/lock/%x,", many),
		"hosts":                  values(network+"host: {glob", "'*a%x*.*b*.*.com',", many),
		"addresses in ranges":    strings.Replace(values(network+"host: {in", "'::%x',", 12_000), "]}", "]}, cidr: ["+strings.Repeat("'::/64', '::5',", 7_000)+"]", 1),
		"ranges with ports":      lines("- {action: network.request, decision: allow, cidr: '0.0.0.0/0', port: [9,%d,6000]}\n"),
		"names with ports":       lines("- {action: network.request, decision: allow, host: a%[1]x.com, port: %[1]d}\n"),
		"commands, contains":     values(run+"contains", "a %x b,", many),
		"commands, glob":         values(run+"glob", "'** *a%x* ** b',", many),
		"commands, rules":        lines("- {action: process.exec, decision: allow, command: {contains: x%x}}\n"),
		"commands, full path":    lines("- {action: process.exec, decision: allow, command: '/**/*a%x* ** b'}\n"),
		"exe, rules":             lines("- {action: file.read, decision: deny, exe: {contains: a%[1]x}, path: {contains: b%[1]x}}\n"),
		"exe and path, in pairs": lines("- {action: file.read, decision: allow, exe: /x%[1]x, path: '/a%[1]x/**'}\n"),
		"unknown fields":         lines("- {x: 1, y: 2, z: %d}\n"),
		"unknown keys":           strings.ReplaceAll(lines("k%x: 1\n"), "rules:\n", ""),
		"actions":                "version: 1\nrules: [{decision: deny, action: [" + strings.Repeat("file.read,", 25_000) + "]}]",
		"aliases of YAML":        "a: &a [" + strings.Repeat("*a,", 60_000) + "]",
		"documents":              "version: 1\n" + strings.Repeat("---\n", 60_000),
		"question keys":          strings.Repeat("? ", 100_000),
		"keys in a line":         "version: 1\nx: " + strings.Repeat("a: ", 60_000),
		"empty maps":             "version: 1\nrules: [" + strings.Repeat("{},", 9_000) + "]",
	} {
		if testing.Short() && !strings.HasSuffix(name, "rules") {
			continue // the race detector makes the rest take minutes
		}
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p, err := Parse("bad.yaml", []byte(src))
			var list ErrorList
			if err != nil && !errors.As(err, &list) {
				t.Fatalf("%T", err)
			}
			if err == nil {
				_, err = Compile(p, Options{})
			}
			var tooLarge *SizeError
			if err != nil && list == nil && !errors.As(err, &tooLarge) {
				t.Errorf("neither an ErrorList nor a SizeError: %v", err)
			}
			runtime.ReadMemStats(&after)
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 512 {
				t.Errorf("%d MiB allocated", mb)
			} else {
				t.Logf("%d bytes: %d MiB allocated; %.120v", len(src), mb, fmt.Sprint(err))
			}
		})
	}
}

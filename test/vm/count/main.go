// SPDX-License-Identifier: MIT

// Command count reads what tests printed and judges the run as a whole: how many were planned, ran and were skipped. A run fails that
// skips without having declared why, that ended before its last test, or that ran nothing.
//
// Use: go test -json ./... | count -name unit            (what the go command prints)
//
//	boot ... | count -guest -name 6.12                  (the console of a guest, see ../run)
//
// Exit codes: 0 good, 1 not, 2 wrong use.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// The line of a skip must begin with one of these. On a developer's machine the tests that need a guest, and those that take long,
// may stay behind; in a guest only a missing kernel feature is a reason.
var (
	guestReasons  = []string{"kernel lacks:"}
	nativeReasons = []string{"kernel lacks:", "guest only:", "long only:"}
)

func main() {
	guest := flag.Bool("guest", false, "standard input is a guest's console, not the output of go test -json")
	filtered := flag.Bool("filtered", false, "the guest ran a chosen part of its tests: a package may have none of them")
	quiet := flag.Bool("q", false, "print what failed and the sums only")
	name := flag.String("name", "tests", "what the sums are called")
	result := flag.String("result", "", "append the sums to this file, for total")
	flag.Parse()
	if flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	r := newRun(os.Stdout, !*quiet)
	reasons := nativeReasons
	read := r.native
	if *guest {
		reasons, read = guestReasons, r.guest
	}
	if err := read(os.Stdin); err != nil {
		r.problem("read the tests' output: %v", err)
	}
	if *filtered {
		for _, p := range r.pkgs {
			p.listed = nil
		}
	}
	s := r.judge(reasons)
	fmt.Printf("%s: planned %d, ran %d, skipped %d\n", *name, s.planned, s.ran, s.skipped)
	fmt.Printf("%s\n", s)
	if *result != "" {
		if err := appendLine(*result, fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%d\n", *name, s.planned, s.ran, s.passed, s.failed, s.skipped)); err != nil {
			fmt.Fprintf(os.Stderr, "count: %v\n", err)
			os.Exit(1)
		}
	}
	if s.failed > 0 {
		os.Exit(1)
	}
}

func appendLine(name, line string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	return errors.Join(err, f.Close())
}

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output, ImportPath string
}

// test is one test or subtest.
type test struct {
	action string // pass, fail, skip; empty while it runs
	output []string
}

// pkg is one package's tests.
type pkg struct {
	name   string
	order  []string
	tests  map[string]*test
	listed []string
	output []string // what belongs to no test
	action string
}

// run gathers the packages of one run.
type run struct {
	w        io.Writer
	verbose  bool
	pkgs     []*pkg
	problems []string
}

// sums of a run.
type sums struct {
	planned, ran, passed, failed, skipped int
}

func (s sums) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", s.passed, s.failed, s.skipped)
}

func newRun(w io.Writer, verbose bool) *run { return &run{w: w, verbose: verbose} }

func (r *run) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *run) pkg(name string) *pkg {
	for _, p := range r.pkgs {
		if p.name == name {
			return p
		}
	}
	p := &pkg{name: name, tests: make(map[string]*test)}
	r.pkgs = append(r.pkgs, p)
	return p
}

// add takes in one event of package p.
func (p *pkg) add(e event) {
	if e.Test == "" {
		switch e.Action {
		case "output", "build-output":
			p.output = append(p.output, e.Output)
		case "pass", "fail", "skip":
			p.action = e.Action
		}
		return
	}
	t := p.tests[e.Test]
	if t == nil {
		t = &test{}
		p.tests[e.Test] = t
		p.order = append(p.order, e.Test)
	}
	switch e.Action {
	case "output":
		t.output = append(t.output, e.Output)
	case "pass", "fail", "skip":
		t.action = e.Action
	}
}

// native reads the output of go test -json.
func (r *run) native(in io.Reader) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			r.problem("not an event: %s", sc.Text()) // the go command itself, failing
			continue
		}
		name := e.Package
		if name == "" {
			name, _, _ = strings.Cut(e.ImportPath, " ") // of a package that does not build
		}
		p := r.pkg(name)
		p.add(e)
		if r.verbose && e.Action == "output" && e.Test == "" && !strings.HasPrefix(e.Output, "PASS") && e.Output != "FAIL\n" {
			fmt.Fprint(r.w, e.Output)
		}
	}
	return sc.Err()
}

const mark = "GUEST-TESTS "

// guest reads a guest's console. Between the marks BEGIN and END stands what one package's tests printed with -test.v=test2json.
func (r *run) guest(in io.Reader) error {
	var cur *pkg
	var raw bytes.Buffer
	done := func() {
		if cur == nil {
			return
		}
		if err := convert(cur, &raw); err != nil {
			r.problem("%s: %v", cur.name, err)
		}
		cur = nil
		raw.Reset()
	}
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		line := strings.ReplaceAll(sc.Text(), "\r", "")
		f := strings.Fields(line)
		if !strings.HasPrefix(line, mark) || len(f) < 3 {
			if cur != nil {
				raw.WriteString(line + "\n")
			}
			if text := strings.ReplaceAll(line, "\x16", ""); r.verbose && text != "=== NAME  " {
				fmt.Fprintln(r.w, text)
			}
			continue
		}
		switch p := r.pkg(f[2]); f[1] {
		case "BEGIN":
			done()
			cur = p
			if r.verbose {
				fmt.Fprintf(r.w, "guest tests of %s\n", p.name)
			}
		case "LIST":
			if len(f) == 4 && !strings.HasPrefix(f[3], "Benchmark") {
				p.listed = append(p.listed, f[3])
			}
		case "END":
			done()
			p.action = "fail"
			if len(f) == 4 && f[3] == "0" {
				p.action = "pass"
			}
		}
	}
	done()
	return sc.Err()
}

// convert has the go command make events of what a test program printed.
func convert(p *pkg, raw io.Reader) error {
	cmd := exec.Command("go", "tool", "test2json", "-p", p.name)
	cmd.Stdin, cmd.Stderr = raw, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go tool test2json: %w", err)
	}
	for line := range bytes.Lines(out) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("read test2json: %w", err)
		}
		if e.Test == "" && e.Action != "output" {
			continue // whether the package passed is said by its exit code
		}
		p.add(e)
	}
	return nil
}

var logLine = regexp.MustCompile(`^\s*[^\s:]+\.go:\d+: (.*)`)

// declared tells whether a skipped test said why in one of the ways that count.
func (t *test) declared(reasons []string) bool {
	for _, line := range t.output {
		m := logLine.FindStringSubmatch(line)
		if m != nil && slices.ContainsFunc(reasons, func(x string) bool { return strings.HasPrefix(m[1], x) }) {
			return true
		}
	}
	return false
}

// judge prints what is wrong and sums up. Each thing that is wrong and is no test counts as a failure, so that a bad run cannot look good.
func (r *run) judge(reasons []string) sums {
	var s sums
	for _, p := range r.pkgs {
		before := s.ran
		for _, l := range p.listed {
			if p.tests[l] == nil {
				s.planned++
			}
		}
		for _, n := range p.order {
			t := p.tests[n]
			s.planned++
			switch t.action {
			case "pass":
				s.passed++
				s.ran++
			case "skip":
				s.skipped++
				if t.declared(reasons) {
					fmt.Fprintf(r.w, "skipped: %s %s: %s\n", p.name, n, t.said())
				} else {
					r.problem("%s %s: skipped, but its reason begins with none of %q: %s", p.name, n, reasons, t.said())
				}
			case "fail":
				s.failed++
				s.ran++
				if !p.childFailed(n) {
					fmt.Fprintf(r.w, "FAILED %s %s\n%s", p.name, n, indent(t.output))
				}
			default:
				s.failed++
				s.ran++
				fmt.Fprintf(r.w, "NOT FINISHED %s %s\n%s", p.name, n, indent(t.output))
			}
		}
		switch {
		case len(p.listed)+len(p.tests) == 0 && p.action == "pass", p.action == "skip": // a package without tests
		case p.action == "":
			r.problem("%s: ended without a result", p.name)
		case p.action == "fail" && !p.anyFailed():
			r.problem("%s: failed outside of its tests\n%s", p.name, indent(p.output))
		case p.listed != nil && s.ran == before:
			r.problem("%s: none of its %d tests ran", p.name, len(p.listed))
		}
	}
	if s.ran == 0 {
		r.problem("no test ran")
	}
	for _, x := range r.problems {
		fmt.Fprintf(r.w, "FAILED %s\n", strings.TrimRight(x, "\n"))
	}
	s.failed += len(r.problems)
	return s
}

// said is what a test logged, in one line.
func (t *test) said() string {
	var parts []string
	for _, line := range t.output {
		if m := logLine.FindStringSubmatch(line); m != nil {
			parts = append(parts, strings.TrimSpace(m[1]))
		}
	}
	return strings.Join(parts, "; ")
}

func (p *pkg) childFailed(name string) bool {
	return slices.ContainsFunc(p.order, func(n string) bool {
		return strings.HasPrefix(n, name+"/") && p.tests[n].action == "fail"
	})
}

func (p *pkg) anyFailed() bool {
	return slices.ContainsFunc(p.order, func(n string) bool { return p.tests[n].action == "fail" || p.tests[n].action == "" })
}

func indent(lines []string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.Join(lines, "")) {
		b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

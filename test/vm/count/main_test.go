// SPDX-License-Identifier: MIT

package main

import (
	"io"
	"os/exec"
	"strings"
	"testing"
)

// console makes a guest's console around what one package's tests printed; ^ stands for the mark of -test.v=test2json.
func console(body, end string) string {
	s := "GUEST-UP 2 s\r\n\r\nGUEST-TESTS BEGIN p\r\nGUEST-TESTS LIST p TestA\r\nGUEST-TESTS LIST p TestB\r\n" +
		"GUEST-TESTS LIST p BenchmarkA\r\n" + strings.ReplaceAll(body, "^", "\x16")
	return strings.ReplaceAll(s, "\n", "\r\n") + end
}

const (
	passA   = "^=== RUN   TestA\n^--- PASS: TestA (0.00s)\n^=== NAME  \n"
	passB   = "^=== RUN   TestB\n^--- PASS: TestB (0.00s)\n^=== NAME  \n"
	good    = "\r\nGUEST-TESTS END p 0\r\nGUEST-EXIT 0\r\n"
	bad     = "\r\nGUEST-TESTS END p 1\r\nGUEST-EXIT 1\r\n"
	skipped = "^=== RUN   TestB\n    b_test.go:7: %\n^--- SKIP: TestB (0.00s)\n^=== NAME  \n"
)

func skipB(reason string) string { return strings.Replace(skipped, "%", reason, 1) }

func TestGuest(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, in string
		want     sums
	}{
		{"good", console(passA+passB+"PASS\n", good), sums{2, 2, 2, 0, 0}},
		{"declared skip", console(passA+skipB("kernel lacks: x")+"PASS\n", good), sums{2, 1, 1, 0, 1}},
		{"undeclared skip", console(passA+skipB("operation not permitted")+"PASS\n", good), sums{2, 1, 1, 1, 1}},
		{"reason within the message", console(passA+skipB("the kernel lacks: x")+"PASS\n", good), sums{2, 1, 1, 1, 1}},
		{"a guest test that wants a guest", console(passA+skipB("guest only: x")+"PASS\n", good), sums{2, 1, 1, 1, 1}},
		{"failed", console(passA+strings.Replace(passB, "PASS", "FAIL", 1)+"FAIL\n", bad), sums{2, 2, 1, 1, 0}},
		{"glued to output", console("^=== RUN   TestA\nno newline^--- PASS: TestA (0.00s)\n"+passB+"PASS\n", good), sums{2, 2, 2, 0, 0}},
		{"panic of the kernel", console(passA+"^=== RUN   TestB\n", "Kernel panic\r\n"), sums{2, 2, 1, 2, 0}},
		{"program died", console(passA+passB, bad), sums{2, 2, 2, 1, 0}},
		{"nothing ran", console("testing: warning: no tests to run\nPASS\n", good), sums{2, 0, 0, 2, 0}},
		{"no tests at all", "GUEST-UP 2 s\r\nGUEST-EXIT 0\r\n", sums{0, 0, 0, 1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun(io.Discard, true)
			if err := r.guest(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if got := r.judge(guestReasons); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestNative(t *testing.T) {
	run := `{"Action":"run","Package":"p","Test":"TestA"}` + "\n"
	tests := []struct {
		name, in string
		want     sums
	}{
		{"good", run + `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p"}`, sums{1, 1, 1, 0, 0}},
		{"skip for want of a guest", run + `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: guest only: LSM\n"}` + "\n" +
			`{"Action":"skip","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p"}`, sums{1, 0, 0, 1, 1}},
		{"does not build", `{"ImportPath":"p [p.test]","Action":"build-output","Output":"x.go:1: boo\n"}` + "\n" +
			`{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`, sums{0, 0, 0, 2, 0}},
		{"package without tests", run + `{"Action":"pass","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p"}` + "\n" +
			`{"Action":"skip","Package":"q"}`, sums{1, 1, 1, 0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRun(io.Discard, true)
			if err := r.native(strings.NewReader(tt.in)); err != nil {
				t.Fatal(err)
			}
			if got := r.judge(nativeReasons); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

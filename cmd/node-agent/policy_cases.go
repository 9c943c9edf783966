package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/casefile"
)

func policyTestCommand() *cobra.Command {
	var output *outputFormat
	var junit string
	c := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run test cases of policies, against the tables that the kernel gets",
		Long: `Runs files of test cases, each of which names its policy:

  policy: agent.yaml      # from where this file is; also a ConfigMap manifest
  floor: floor.yaml       # optional
  baseline: image         # of a policy that names none: image or runtime
  cases:
    - {action: file.read, path: /app/data/x, expect: allow, rule: data}
    - {action: process.exec, command: git push --force, expect: deny}
    - {action: network.request, host: api.openai.com, port: 443, expect: allow}

A case has an action (or several) and path, command, or host and addr; besides
mounted, noPath, args, exe, port, protocol, hostNetwork as they are needed; and
expect: allow (also met by audit), audit or deny. rule names the rule that
decides. Under mode: observe the verdict is the one that would be enforced.
Exit codes: 0 all passed; 1 a case failed; 2 an error in a file, or wrong use.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var suites []testSuite
			for _, name := range args {
				s, err := runCases(name, c.InOrStdin())
				if err != nil {
					return err
				}
				suites = append(suites, s)
			}
			if junit != "" {
				if err := writeJUnit(junit, suites); err != nil {
					return &exitError{exitInternal, err}
				}
			}
			err := output.print(c.OutOrStdout(), suites, func(w *textWriter) { printSuites(w, suites) })
			if err != nil {
				return &exitError{exitInternal, err}
			}
			for _, s := range suites {
				if s.Failed > 0 {
					return &exitError{code: exitFindings}
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&junit, "junit", "", "also write the results to this file, as JUnit XML")
	output = outputFlag(c)
	return c
}

// testSuite is the result of a case file.
type testSuite struct {
	File   string       `json:"file"`
	Policy string       `json:"policy"`
	Table  string       `json:"table_sha256"`
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
	Cases  []testResult `json:"cases"`
}

type testResult struct {
	Name   string `json:"name"`
	Action string `json:"action"`
	Line   int    `json:"line"`
	OK     bool   `json:"ok"`
	Expect string `json:"expect"`
	Rule   string `json:"rule,omitempty"` // expected
	Got    string `json:"got"`
	By     string `json:"by"` // the rule that decided
	Reason string `json:"reason,omitempty"`
}

func runCases(name string, stdin io.Reader) (testSuite, error) {
	src, err := readInput(name, stdin)
	if err != nil {
		return testSuite{}, err
	}
	f, err := casefile.Parse(name, src)
	if err != nil {
		return testSuite{}, err
	}
	beside := func(file string) string {
		if file == "" || filepath.IsAbs(file) || name == "-" {
			return file
		}
		return filepath.Join(filepath.Dir(name), file)
	}
	floor, err := readFloor(beside(f.Floor), stdin)
	if err != nil {
		return testSuite{}, err
	}
	p, err := readPolicy(beside(f.Policy), stdin)
	if err != nil {
		return testSuite{}, err
	}
	t, err := policy.Compile(p, policy.Options{DefaultBaseline: f.Baseline, Floor: floor, AllowedRelaxations: policy.BuiltinNames()})
	if err != nil {
		return testSuite{}, fmt.Errorf("%s: %w", beside(f.Policy), err)
	}
	s := testSuite{File: name, Policy: beside(f.Policy), Table: fmt.Sprintf("%x", t.Hash)}
	for _, r := range f.Run(t) {
		if r.Passed {
			s.Passed++
		} else {
			s.Failed++
		}
		s.Cases = append(s.Cases, testResult{
			Name: r.Name, Action: r.Action.String(), Line: r.Line, OK: r.Passed,
			Expect: r.Expect.String(), Rule: r.Rule, Got: r.Got.String(), By: r.By, Reason: r.Reason,
		})
	}
	return s, nil
}

func printSuites(w *textWriter, suites []testSuite) {
	for _, s := range suites {
		rows := [][]string{{"", "LINE", "CASE", "EXPECT", "GOT", "RULE"}}
		for _, c := range s.Cases {
			word, rule := "ok", c.By
			if !c.OK {
				word = "FAIL"
				if c.Rule != "" && c.Rule != c.By {
					rule += ", not " + c.Rule
				}
			}
			rows = append(rows, []string{word, fmt.Sprint(c.Line), sentence(c.Name), c.Expect, c.Got, sentence(rule)})
		}
		w.table(rows, func(row, column int) string {
			switch {
			case row == 0 || column != 0:
				return ""
			case s.Cases[row-1].OK:
				return green
			}
			return red
		})
		total := fmt.Sprintf("%s: %d cases, %d failed", s.File, len(s.Cases), s.Failed)
		if s.Failed > 0 {
			total = w.in(red, total)
		}
		fmt.Fprintln(w, total)
	}
}

func writeJUnit(name string, suites []testSuite) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := junitXML(f, suites); err != nil {
		return fmt.Errorf("write %s: %w", name, errors.Join(err, f.Close()))
	}
	return f.Close()
}

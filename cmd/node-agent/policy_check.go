package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func policyCheckCommand() *cobra.Command {
	var output *outputFormat
	c := &cobra.Command{
		Use:   "check FILE...",
		Short: "Check policy files or ConfigMap manifests; - is standard input",
		Long: `Checks each file and prints every error with its line and column.
Exit codes: 0 all good; 2 an error in a policy, or wrong use.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return checkPolicies(c, args, output)
		},
	}
	output = outputFlag(c)
	return c
}

type checkError struct {
	Line    int    `json:"line"`
	Col     int    `json:"column"`
	Word    string `json:"word,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

type checkResult struct {
	File      string       `json:"file"`
	OK        bool         `json:"ok"`
	Errors    []checkError `json:"errors,omitempty"`
	Rules     int          `json:"rules"`
	Baseline  string       `json:"baseline,omitempty"`
	Source    string       `json:"source_sha256,omitempty"`
	Table     string       `json:"table_sha256,omitempty"`
	TableSize int          `json:"table_bytes,omitempty"`
}

func checkPolicies(c *cobra.Command, files []string, output *outputFormat) error {
	var results []checkResult
	bad := false
	for _, f := range files {
		r, err := checkPolicy(f, c.InOrStdin())
		if err != nil {
			return err
		}
		bad = bad || !r.OK
		results = append(results, r)
	}
	err := output.print(c.OutOrStdout(), results, func(w *textWriter) {
		for _, r := range results {
			printCheck(w, r)
		}
	})
	if err == nil && bad {
		err = &exitError{code: exitUsage}
	}
	return err
}

func printCheck(w *textWriter, r checkResult) {
	for _, e := range r.Errors {
		fmt.Fprintf(w, "%s:%d:%d: %s", r.File, e.Line, e.Col, e.Message)
		if e.Hint != "" {
			fmt.Fprintf(w, " (%s)", e.Hint)
		}
		fmt.Fprintln(w)
	}
	if r.OK {
		fmt.Fprintf(w, "%s: ok: %d rules, baseline %s, table %.12s (%d bytes)\n", r.File, r.Rules, r.Baseline, r.Table, r.TableSize)
	} else {
		fmt.Fprintf(w, "%s: %d error(s)\n", r.File, len(r.Errors))
	}
}

func checkPolicy(file string, stdin io.Reader) (checkResult, error) {
	r := checkResult{File: file}
	var src []byte
	var err error
	if file == "-" {
		src, err = io.ReadAll(io.LimitReader(stdin, 4<<20))
	} else {
		src, err = os.ReadFile(file)
	}
	if err != nil {
		return r, err
	}
	p, err := policy.Parse(file, src)
	var t *policy.Tables
	if err == nil {
		t, err = policy.Compile(p, policy.Options{})
	}
	var list policy.ErrorList
	switch {
	case errors.As(err, &list):
		for _, e := range list {
			r.Errors = append(r.Errors, checkError{Line: e.Line, Col: e.Col, Word: e.Word, Message: e.Msg, Hint: e.Hint})
		}
		return r, nil
	case err != nil:
		r.Errors = []checkError{{Message: err.Error()}}
		return r, nil
	}
	r.OK, r.Rules, r.Baseline = true, len(p.Rules), t.Baseline
	r.Source, r.Table, r.TableSize = hex.EncodeToString(t.SourceHash[:]), hex.EncodeToString(t.Hash[:]), len(t.Blob)
	return r, nil
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func policyCheckCommand() *cobra.Command {
	var output *outputFormat
	var floor string
	var relaxations func() ([]string, error)
	c := &cobra.Command{
		Use:   "check FILE|DIR...",
		Short: "Check policies, alone or in ConfigMap manifests; - is standard input",
		Long: `Checks each policy as strictly as the agent does and prints every error with
its line and column. A file is a policy, or any number of manifests: each
ConfigMap with the key safeclaw.policy.yaml holds one. Of a directory all *.yaml
and *.yml files are read, hidden ones excepted; manifests without a policy are
skipped, and named. With --floor alone the cluster policy itself is checked.
Exit codes: 0 all good; 2 an error in a policy, no policy at all, or wrong use.`,
		Example: `  node-agent policy check policy.yaml
  node-agent policy check --floor floor.yaml deploy/
  kubectl get configmap -A -o yaml | node-agent policy check -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && floor == "" {
				return errors.New("which policy? name a file or a directory")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			f, err := readFloor(floor, c.InOrStdin())
			if err != nil {
				return err
			}
			allowed, err := relaxations()
			if err != nil {
				return err
			}
			k := checker{stdin: c.InOrStdin(), floor: f, relaxations: allowed}
			if f != nil {
				k.checkFloor(floor)
			}
			return k.run(c, args, output)
		},
	}
	c.Flags().StringVar(&floor, "floor", "", "compile each policy under this cluster policy")
	relaxations = relaxationFlag(c)
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

// checkResult is the answer about one policy, or one thing that is none.
type checkResult struct {
	File      string       `json:"file"`
	Name      string       `json:"name,omitempty"` // of the ConfigMap
	OK        bool         `json:"ok"`
	Skipped   string       `json:"skipped,omitempty"` // what it is instead of a policy
	Errors    []checkError `json:"errors,omitempty"`
	Hint      string       `json:"hint,omitempty"` // what to do about the errors
	Rules     int          `json:"rules"`
	Baseline  string       `json:"baseline,omitempty"`
	Source    string       `json:"source_sha256,omitempty"`
	Table     string       `json:"table_sha256,omitempty"`
	TableSize int          `json:"table_bytes,omitempty"`
	Capped    []string     `json:"capped,omitempty"` // what the floor changed
}

func (r *checkResult) print(w *textWriter) {
	file := r.File
	if r.Name != "" {
		file += " (" + printable(r.Name) + ")"
	}
	for _, e := range r.Errors {
		place := r.File
		if e.Line > 0 { // the size of the whole has no place
			place = fmt.Sprintf("%s:%d:%d", r.File, e.Line, e.Col)
		}
		fmt.Fprintf(w, "%s: %s", place, e.Message)
		if e.Hint != "" {
			fmt.Fprintf(w, " (%s)", e.Hint)
		}
		fmt.Fprintln(w)
	}
	switch {
	case r.Skipped != "":
		fmt.Fprintf(w, "%s: %s: %s\n", r.File, w.in(yellow, "skipped"), printable(r.Skipped))
	case r.OK:
		fmt.Fprintf(w, "%s: %s: %d rules, baseline %s, table %.12s (%d bytes)\n", file, w.in(green, "ok"), r.Rules, r.Baseline, r.Table, r.TableSize)
		for _, change := range r.Capped {
			fmt.Fprintf(w, "%s: %s: %s\n", file, w.in(yellow, "changed by the floor"), change)
		}
	default:
		fmt.Fprintf(w, "%s: %s\n", file, w.in(red, fmt.Sprintf("%d error(s)", len(r.Errors))))
		if r.Hint != "" {
			fmt.Fprintf(w, "%s: %s\n", file, r.Hint)
		}
	}
}

// fail adds an error, with its places where it has some.
func (r *checkResult) fail(err error) {
	var list policy.ErrorList
	if !errors.As(err, &list) {
		r.Errors = append(r.Errors, checkError{Message: err.Error()})
		return
	}
	for _, e := range list {
		r.Errors = append(r.Errors, checkError{Line: e.Line, Col: e.Col, Word: e.Word, Message: e.Msg, Hint: e.Hint})
	}
}

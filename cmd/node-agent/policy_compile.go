package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// costsShown is how many rules people get to see; -o json has them all.
const costsShown = 10

func policyCompileCommand() *cobra.Command {
	var output *outputFormat
	var floor, blob string
	var stats bool
	var o policy.Options
	var relaxations func() ([]string, error)
	c := &cobra.Command{
		Use:   "compile FILE",
		Short: "Compile a policy into the kernel's tables, and say what they cost",
		Long: `Compiles a policy. Prints the hashes and the size of the tables; with --stats
also each automaton, and the rules that cost most: the weight of a rule is how
often its patterns have to be kept in mind, over all states. Tables of at most 262144 bytes take the small class of the
kernel's memory, larger ones 4 MiB.
Exit codes: 0 compiled; 2 an error in the policy, too large, or wrong use.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.Floor, err = readFloor(floor, c.InOrStdin()); err != nil {
				return err
			}
			if o.AllowedRelaxations, err = relaxations(); err != nil {
				return err
			}
			p, err := readPolicy(args[0], c.InOrStdin())
			if err != nil {
				return err
			}
			r, t, err := compileResult(args[0], p, o, stats)
			if err != nil {
				return err
			}
			if blob != "" {
				if err := os.WriteFile(blob, t.Blob, 0o644); err != nil {
					return &exitError{exitInternal, err}
				}
			}
			if err := output.print(c.OutOrStdout(), r, r.print); err != nil {
				return &exitError{exitInternal, err}
			}
			return nil
		},
	}
	fl := c.Flags()
	fl.BoolVar(&stats, "stats", false, "print each automaton and what the rules cost")
	fl.StringVar(&blob, "blob", "", "write the tables to this file, in the form of docs/format/policy.md")
	fl.StringVar(&floor, "floor", "", "compile under this cluster policy")
	fl.StringVar(&o.DefaultBaseline, "baseline", "image", "baseline of a policy that names none: image or runtime")
	relaxations = relaxationFlag(c)
	output = outputFlag(c)
	return c
}

type compiled struct {
	File      string         `json:"file"`
	Source    string         `json:"source_sha256"`
	Table     string         `json:"table_sha256"`
	Bytes     int            `json:"bytes"`
	SizeClass int            `json:"size_class"`
	Baseline  string         `json:"baseline"`
	Rules     int            `json:"rules"`
	Needs     []string       `json:"needs,omitempty"`
	Capped    []string       `json:"capped,omitempty"`
	Automata  []compiledKind `json:"automata,omitempty"`
	Costs     []compiledCost `json:"costs,omitempty"`
}

type compiledKind struct {
	Kind     string `json:"kind"`
	Encoding string `json:"encoding"`
	States   int    `json:"states"`
	Classes  int    `json:"byte_classes"`
	Units    int    `json:"units"`
	Bytes    int    `json:"bytes"`
}

type compiledCost struct {
	Rule   string `json:"rule"`
	Line   int    `json:"line,omitempty"` // of a rule of the policy
	Kind   string `json:"kind"`
	Weight int    `json:"weight"`
	Text   string `json:"text"`
}

func compileResult(file string, p *policy.Policy, o policy.Options, stats bool) (*compiled, *policy.Tables, error) {
	t, err := policy.Compile(p, o)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	r := &compiled{
		File: file, Source: fmt.Sprintf("%x", t.SourceHash), Table: fmt.Sprintf("%x", t.Hash), Bytes: len(t.Blob), SizeClass: t.SizeClass(),
		Baseline: t.Baseline, Rules: len(p.Rules), Needs: t.Needs, Capped: t.Capped,
	}
	if !stats {
		return r, t, nil
	}
	for _, s := range t.Stats() {
		r.Automata = append(r.Automata, compiledKind{Kind: s.Kind.String(), Encoding: s.Encoding, States: s.States, Classes: s.Classes, Units: s.Units, Bytes: s.Bytes})
	}
	costs, err := policy.Costs(p, o)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, c := range costs {
		rule := t.Rules[c.Rule]
		cost := compiledCost{Rule: rule.Name, Kind: c.Kind.String(), Weight: c.Weight, Text: rule.Text}
		if rule.Origin == policy.OriginUser {
			cost.Line = rule.Line
		}
		r.Costs = append(r.Costs, cost)
	}
	return r, t, nil
}

func (r *compiled) print(w *textWriter) {
	rows := [][]string{
		{"policy", "sha256 " + r.Source},
		{"tables", "sha256 " + r.Table},
		{"size", fmt.Sprintf("%d bytes, of a class of %d", r.Bytes, r.SizeClass)},
		{"rules", fmt.Sprintf("%d, baseline %s", r.Rules, r.Baseline)},
	}
	for _, n := range r.Needs {
		rows = append(rows, []string{"needs", n})
	}
	for _, c := range r.Capped {
		rows = append(rows, []string{"changed by the floor", c})
	}
	w.table(rows, nil)
	if len(r.Automata) == 0 {
		return
	}
	rows = [][]string{{"AUTOMATON", "ENCODING", "STATES", "BYTE CLASSES", "UNITS", "BYTES"}}
	for _, a := range r.Automata {
		rows = append(rows, []string{a.Kind, a.Encoding, strconv.Itoa(a.States), strconv.Itoa(a.Classes), strconv.Itoa(a.Units), strconv.Itoa(a.Bytes)})
	}
	w.WriteByte('\n')
	w.table(rows, nil)
	rows = [][]string{{"WEIGHT", "AUTOMATON", "LINE", "RULE", ""}}
	for _, c := range r.Costs[:min(costsShown, len(r.Costs))] {
		line := "-"
		if c.Line > 0 {
			line = strconv.Itoa(c.Line)
		}
		rows = append(rows, []string{strconv.Itoa(c.Weight), c.Kind, line, sentence(c.Rule), sentence(c.Text)})
	}
	w.WriteByte('\n')
	w.table(rows, nil)
}

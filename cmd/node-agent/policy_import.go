package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy/dialect"
)

// importResult is what import prints with -o json.
type importResult struct {
	File    string         `json:"file"`
	Policy  string         `json:"policy,omitempty"`
	Notes   []dialect.Note `json:"notes"`
	Refused []dialect.Note `json:"refused"`
}

func policyImportCommand() *cobra.Command {
	var output *outputFormat
	var partial bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Write a policy of another SafeClaw dialect in the canonical form",
		Long: `Reads the spellings of other SafeClaw documents, the JSON of its command line
included, and prints the canonical policy. Each change is a note on standard
error. A rule that the kernel cannot enforce, or that would have to be guessed,
is refused, and then no policy is printed; --partial prints the rest, with a
comment in the place of each refused rule.
Exit codes: 0 imported; 1 imported in part (--partial); 2 refused, unreadable,
or wrong use.`,
		Example: "  node-agent policy import old.json > policy.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			src, err := readInput(args[0], c.InOrStdin())
			if err != nil {
				return err
			}
			res, err := dialect.Import(args[0], src, dialect.Options{Now: time.Now(), Partial: partial})
			if err != nil {
				return err
			}
			if *output == "text" {
				printNotes(c, args[0], res)
			}
			out := importResult{File: args[0], Policy: string(res.YAML), Notes: notNil(res.Notes), Refused: notNil(res.Refused)}
			err = output.print(c.OutOrStdout(), out, func(w *textWriter) { w.Write(res.YAML) })
			switch {
			case err != nil:
				return &exitError{exitInternal, err}
			case res.YAML == nil:
				return &exitError{code: exitUsage}
			case len(res.Refused) > 0:
				return &exitError{code: exitFindings}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&partial, "partial", false, "print the policy without the refused rules; read it before you use it")
	output = outputFlag(c)
	return c
}

func notNil(notes []dialect.Note) []dialect.Note {
	if notes == nil {
		return []dialect.Note{}
	}
	return notes
}

// printNotes tells people what was changed and what was refused.
func printNotes(c *cobra.Command, file string, res *dialect.Result) {
	w := &textWriter{color: useColor(c.ErrOrStderr())}
	line := func(n dialect.Note, word, color string) {
		fmt.Fprintf(w, "%s:%d:%d: %s: ", file, n.Line, n.Col, w.in(color, word))
		if n.Rule != "" {
			fmt.Fprintf(w, "%s: ", printable(n.Rule))
		}
		w.WriteString(sentence(n.Text))
		if n.Hint != "" {
			fmt.Fprintf(w, " (%s)", sentence(n.Hint))
		}
		w.WriteByte('\n')
	}
	for _, n := range res.Notes {
		line(n, "note", yellow)
	}
	for _, n := range res.Refused {
		line(n, "refused", red)
	}
	if res.YAML == nil {
		fmt.Fprintf(w, "%s: nothing was imported: %d refusal(s)\n", file, len(res.Refused))
	}
	fmt.Fprint(c.ErrOrStderr(), w.String())
}

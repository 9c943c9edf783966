package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/diff"
)

// Exit codes of policy diff.
const (
	exitWider    = 4
	exitNarrower = 5
	exitBoth     = 6
)

func policyDiffCommand() *cobra.Command {
	var output *outputFormat
	var floorFile string
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say how two policies differ in what they mean",
		Long: `Compares what two policies allow, deny and record, for every action that can
happen. Each difference comes with the rules that decide and one short example.

Exit codes: 0 they mean the same; 4 the new one is wider (it allows more);
5 it is narrower; 6 both, or it differs in a way that is neither, such as in
what is recorded; 2 an error in a policy, or wrong use.`,
		Example: "  node-agent policy diff old.yaml new.yaml\n  git show HEAD:policy.yaml | node-agent policy diff - policy.yaml",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			floor, err := readFloor(floorFile, c.InOrStdin())
			if err != nil {
				return err
			}
			older, err := compilePolicy(c, args[0], policy.Options{Floor: floor, AllowedRelaxations: policy.BuiltinNames()})
			if err != nil {
				return err
			}
			newer, err := compilePolicy(c, args[1], policy.Options{Floor: floor, AllowedRelaxations: policy.BuiltinNames()})
			if err != nil {
				return err
			}
			r := diff.Compare(diff.Side{Policy: older.policy, Tables: older.tables}, diff.Side{Policy: newer.policy, Tables: newer.tables})
			err = output.print(c.OutOrStdout(), diffDocument(args[0], args[1], r), func(w *textWriter) { printDiff(w, args[0], args[1], r) })
			if code := diffCode(r); err == nil && code != 0 {
				err = &exitError{code: code}
			}
			return err
		},
	}
	c.Flags().StringVar(&floorFile, "floor", "", "the cluster's policy, evaluated before both")
	output = outputFlag(c)
	return c
}

func diffCode(r *diff.Report) int {
	found := r.Directions()
	switch {
	case r.Equal():
		return 0
	case found[diff.Wider] && !found[diff.Narrower]:
		return exitWider
	case found[diff.Narrower] && !found[diff.Wider]:
		return exitNarrower
	}
	return exitBoth
}

func directionMark(d diff.Direction) (text, color string) {
	switch d {
	case diff.Wider:
		return "+ wider", yellow
	case diff.Narrower:
		return "- narrower", green
	}
	return "~ differs", ""
}

func printDiff(w *textWriter, oldFile, newFile string, r *diff.Report) {
	if r.Equal() {
		fmt.Fprintln(w, "the policies mean the same")
		return
	}
	for _, s := range r.Settings {
		text, color := directionMark(s.Direction)
		fmt.Fprintf(w, "%s: %s: %s, now %s\n", w.in(color, text), s.Name, s.Old, s.New)
	}
	for _, c := range r.Changes {
		text, color := directionMark(c.Direction)
		fmt.Fprintf(w, "%s: %s %s\n", w.in(color, text), c.Action.Verb(), c.Action)
		fmt.Fprintf(w, "    old: %s\n", decided(oldFile, c.Old, c.OldRule))
		fmt.Fprintf(w, "    new: %s\n", decided(newFile, c.New, c.NewRule))
	}
}

// decided returns a verdict and the rule behind it in one line.
func decided(file string, v policy.Verdict, r policy.RuleInfo) string {
	s := "denied"
	switch {
	case v.Allow && v.Count:
		s = "allowed (counted)"
	case v.Allow:
		s = "allowed"
	}
	s += " by " + r.Name
	if at := rulePlace(file, r); at != "" {
		s += " (" + at + ")"
	}
	if r.Text != "" && r.Origin != policy.OriginBaseline {
		s += ": " + r.Text
	}
	return s
}

type diffResult struct {
	Old      string        `json:"old"`
	New      string        `json:"new"`
	Equal    bool          `json:"equal"`
	Changes  []diffChange  `json:"changes"`
	Settings []diffSetting `json:"settings"`
}

type diffChange struct {
	Direction string      `json:"direction"`
	Action    string      `json:"action"`
	Example   string      `json:"example"`
	Old       diffVerdict `json:"old"`
	New       diffVerdict `json:"new"`
}

type diffVerdict struct {
	Allow bool   `json:"allow"`
	Count bool   `json:"count,omitempty"`
	Rule  string `json:"rule"`
	Line  int    `json:"line,omitempty"`
	Text  string `json:"text,omitempty"`
}

type diffSetting struct {
	Direction string `json:"direction"`
	Name      string `json:"name"`
	Old       string `json:"old"`
	New       string `json:"new"`
}

func diffDocument(oldFile, newFile string, r *diff.Report) diffResult {
	out := diffResult{Old: oldFile, New: newFile, Equal: r.Equal(), Changes: []diffChange{}, Settings: []diffSetting{}}
	verdict := func(v policy.Verdict, r policy.RuleInfo) diffVerdict {
		line := 0
		if r.Origin == policy.OriginUser {
			line = r.Line
		}
		return diffVerdict{v.Allow, v.Count, r.Name, line, r.Text}
	}
	for _, c := range r.Changes {
		out.Changes = append(out.Changes, diffChange{
			c.Direction.String(), c.Action.Verb(), c.Action.String(), verdict(c.Old, c.OldRule), verdict(c.New, c.NewRule),
		})
	}
	for _, s := range r.Settings {
		out.Settings = append(out.Settings, diffSetting{s.Direction.String(), s.Name, s.Old, s.New})
	}
	return out
}

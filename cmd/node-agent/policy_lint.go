package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/explain"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/image"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/lint"
)

type lintFlags struct {
	root, entrypoint, config, floor string
	output                          *outputFormat
}

func policyLintCommand() *cobra.Command {
	var f lintFlags
	c := &cobra.Command{
		Use:   "lint [flags] FILE",
		Short: "Find what is wrong or careless in a policy that is valid",
		Long: `Reports rules that can never match and the rules that decide in their place,
allows that are wider than they look, and what a reader of the policy may not
expect. With --root it also reports names that are links in an image, binaries
that are many programs, and what the entry point starts.

Exit codes: 0 nothing that needs a change (notes may be printed); 1 warnings or
errors; 2 an error in the policy, or wrong use.`,
		Example: "  node-agent policy lint policy.yaml\n  node-agent policy lint --root ./rootfs --entrypoint 'docker-entrypoint.sh node app.js' policy.yaml",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	fl := c.Flags()
	fl.StringVar(&f.root, "root", "", "directory of the unpacked image")
	fl.StringVar(&f.entrypoint, "entrypoint", "", "command line that starts the container; needs --root")
	fl.StringVar(&f.config, "config", "", "configuration of the image or bundle (JSON), for its entry point; needs --root")
	fl.StringVar(&f.floor, "floor", "", "the cluster's policy, evaluated first")
	f.output = outputFlag(c)
	return c
}

// lintResult is what lint says about one file.
type lintResult struct {
	File     string        `json:"file"`
	Findings []lintFinding `json:"findings"`
	Entry    *lintEntry    `json:"entrypoint,omitempty"`
}

type lintFinding struct {
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Rule     string `json:"rule,omitempty"`
	Line     int    `json:"line"`
	Col      int    `json:"column"`
	Message  string `json:"message"`
	Do       string `json:"do"`
}

type lintEntry struct {
	Steps []lintStep `json:"steps"`
	Note  string     `json:"note,omitempty"`
	Needs []string   `json:"needs,omitempty"` // paths to allow process.exec on
}

type lintStep struct {
	Path      string `json:"path"`
	Requested string `json:"requested"`
	What      string `json:"what"`
	Allow     bool   `json:"allow"`
	Rule      string `json:"rule"`
}

func (f *lintFlags) run(c *cobra.Command, file string) error {
	if f.root == "" && (f.entrypoint != "" || f.config != "") {
		return errors.New("--entrypoint and --config are about an image: name its directory with --root")
	}
	floor, err := readFloor(f.floor, c.InOrStdin())
	if err != nil {
		return err
	}
	l, err := compilePolicy(c, file, policy.Options{Floor: floor, AllowedRelaxations: policy.BuiltinNames()})
	if err != nil {
		return err
	}
	found := lint.Check(l.policy, l.tables)
	r := lintResult{File: file, Findings: []lintFinding{}}
	if f.root != "" {
		more, err := f.image(l, &r)
		if err != nil {
			return err
		}
		found = lint.Sorted(append(found, more...))
	}
	code := 0
	for _, x := range found {
		r.Findings = append(r.Findings, lintFinding{x.Severity.String(), x.Code, x.Rule, x.Line, x.Col, x.Message, x.Do})
		if x.Severity != lint.Info {
			code = exitFindings
		}
	}
	if err := f.output.print(c.OutOrStdout(), r, r.print); err != nil {
		return &exitError{exitInternal, err}
	}
	if code != 0 {
		return &exitError{code: code}
	}
	return nil
}

// image looks at the files below --root, from which no link leads out.
func (f *lintFlags) image(l loaded, r *lintResult) ([]lint.Finding, error) {
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	files, ok := root.FS().(fs.ReadLinkFS)
	if !ok {
		return nil, &exitError{exitInternal, errors.New("the links of a directory cannot be read here")}
	}
	m := image.New(files, os.SameFile)
	found := lint.CheckImage(l.policy, l.tables, m)
	start, err := f.start()
	if err != nil || start == nil {
		return found, err
	}
	e := lint.EntryPoint(l.policy, l.tables, m, *start)
	r.Entry = entryDocument(&e)
	return append(found, e.Findings(l.policy)...), nil
}

// start returns how the container starts, or nil if nobody said.
func (f *lintFlags) start() (*image.Command, error) {
	var start image.Command
	if f.config != "" {
		src, err := os.ReadFile(f.config)
		if err != nil {
			return nil, err
		}
		if start, err = image.ReadConfig(src); err != nil {
			return nil, fmt.Errorf("%s: %w", f.config, err)
		}
	}
	if f.entrypoint != "" {
		words, err := image.Words(f.entrypoint)
		if err != nil {
			return nil, fmt.Errorf("--entrypoint: %w", err)
		}
		start.Args = words
	}
	if len(start.Args) == 0 {
		return nil, nil
	}
	return &start, nil
}

func entryDocument(e *lint.Entry) *lintEntry {
	out := &lintEntry{Note: e.Note, Needs: e.Needed()}
	for _, s := range e.Steps {
		what := "program"
		switch {
		case s.Script:
			what = "script"
		case s.Launcher:
			what = "launcher"
		case s.SameExec:
			what = "interpreter"
		}
		out.Steps = append(out.Steps, lintStep{s.Path, s.Requested, what, s.Free || s.Verdict.Allow, s.Rule})
	}
	return out
}

func (r *lintResult) print(w *textWriter) {
	color := map[string]string{"error": red, "warning": yellow}
	count := map[string]int{}
	for _, f := range r.Findings {
		count[f.Severity]++
		subject := ""
		if f.Rule != "" {
			subject = f.Rule + ": "
		}
		fmt.Fprintf(w, "%s:%d:%d: %s: %s%s [%s]\n    %s\n", r.File, f.Line, f.Col, w.in(color[f.Severity], f.Severity), subject, f.Message, f.Code, f.Do)
	}
	if r.Entry != nil {
		r.Entry.print(w)
	}
	fmt.Fprintf(w, "%s: %d error(s), %d warning(s), %d note(s)\n", r.File, count["error"], count["warning"], count["info"])
}

func (e *lintEntry) print(w *textWriter) {
	fmt.Fprintln(w, "entry point:")
	var rows [][]string
	for i, s := range e.Steps {
		verdict := "denied by " + s.Rule
		if s.Allow {
			verdict = "allowed by " + s.Rule
		}
		rows = append(rows, []string{fmt.Sprintf("  %d.", i+1), s.Path, s.What, verdict})
	}
	w.table(rows, nil)
	if e.Note != "" {
		fmt.Fprintf(w, "  then: %s\n", e.Note)
	}
	if len(e.Needs) == 0 {
		fmt.Fprintln(w, "  the policy needs no more process.exec rules for these")
		return
	}
	fmt.Fprintln(w, "  rules that the policy needs for these:")
	for _, path := range e.Needs {
		fmt.Fprintf(w, "  - {action: process.exec, path: %s, decision: allow}\n", explain.Literal(path))
	}
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/explain"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/image"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

type explainFlags struct {
	policy, floor, exe, args, addr, protocol string
	queryType                                string
	resolvers, search                        []string
	port                                     uint16
	mounted, hostNetwork, all, portGiven     bool
	relaxations                              func() ([]string, error)
	output                                   *outputFormat
}

func policyExplainCommand() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain --policy FILE ACTION SUBJECT",
		Short: "Say which rule decides an action, and why the others do not",
		Long: `Answers for one action as the kernel would: the verdict, the rule that decides,
why each rule before it does not match, and the smallest rule that would change
the verdict (it was tried). ACTION is file.read, file.write, file.delete,
file.map (mapping executable), process.exec or network.request; SUBJECT is a
real path, or HOST[:PORT] with a host name or an address. For a name, resolving
and connecting are two verdicts. What a name server and a search domain change
is only known with --resolver and --search.

Exit codes: 0 allowed; 1 denied; 2 an error in the policy, or wrong use.`,
		Example: `  node-agent policy explain --policy policy.yaml file.write /app/output/x
  node-agent policy explain --policy policy.yaml process.exec /usr/bin/git --args 'push origin'
  node-agent policy explain --policy policy.yaml network.request api.openai.com:443
  node-agent policy explain --policy policy.yaml network.request api.openai.com --query-type TXT`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0], args[1]) },
	}
	fl := c.Flags()
	fl.StringVar(&f.policy, "policy", "", "policy file, or a ConfigMap manifest that holds one (required)")
	fl.StringVar(&f.floor, "floor", "", "the cluster's policy, evaluated first")
	fl.StringVar(&f.exe, "exe", "", "executable that the acting process runs; where it is not said, denies by exe hold and allows do not")
	fl.StringVar(&f.args, "args", "", "process.exec: arguments behind the program's name")
	fl.BoolVar(&f.mounted, "mounted", false, "the file is on a mounted volume")
	fl.StringVar(&f.addr, "addr", "", "network.request: address that the name was resolved to (default: any that no rule names)")
	fl.Uint16Var(&f.port, "port", 443, "network.request: port")
	fl.StringVar(&f.protocol, "protocol", "tcp", "network.request: tcp or udp")
	fl.StringSliceVar(&f.resolvers, "resolver", nil, "network.request: address of a name server of the pod")
	fl.StringSliceVar(&f.search, "search", nil, "network.request: search domain of the pod")
	fl.StringVar(&f.queryType, "query-type", "A", "network.request: type of the query for a name")
	fl.BoolVar(&f.hostNetwork, "host-network", false, "network.request: the pod shares the node's network")
	fl.BoolVar(&f.all, "all", false, "list the rules of the baseline that do not match as well")
	f.relaxations = relaxationFlag(c)
	f.output = outputFlag(c)
	_ = c.MarkFlagRequired("policy")
	return c
}

// facts returns what is said of the process that acts.
func (f *explainFlags) facts() (facts policy.Facts, err error) {
	if f.exe != "" {
		facts.Exe = policy.PathSubject(false, f.exe)
		if !product.WellFormed(policy.KindRead, facts.Exe) {
			return facts, fmt.Errorf("--exe %q is no real path: absolute, without . and .., without a slash at the end", f.exe)
		}
	}
	return facts, nil
}

// action returns what is asked of files and programs.
func (f *explainFlags) action(verb, subject string, facts policy.Facts) (product.Action, error) {
	var none product.Action
	kind, ok := map[string]policy.Kind{
		"file.read": policy.KindRead, "file.write": policy.KindWrite, "file.delete": policy.KindDelete,
		"file.map": policy.KindMap, "process.exec": policy.KindExec,
	}[verb]
	if !ok {
		return none, fmt.Errorf("unknown action %q: it is file.read, file.write, file.delete, file.map, process.exec or network.request", verb)
	}
	a := product.Action{Kind: kind, Subject: policy.PathSubject(f.mounted, subject), Facts: facts}
	if !product.WellFormed(kind, a.Subject) {
		return none, fmt.Errorf("%q is no real path: absolute, without . and .., without a slash at the end", subject)
	}
	if kind == policy.KindExec {
		words, err := image.Words(f.args)
		if err != nil {
			return none, fmt.Errorf("--args: %w", err)
		}
		a.Facts.Command = policy.CommandSubject(f.mounted, subject, words)
	} else if f.args != "" {
		return none, errors.New("--args are of process.exec")
	}
	return a, nil
}

func (f *explainFlags) run(c *cobra.Command, verb, subject string) error {
	f.portGiven = c.Flags().Changed("port")
	facts, err := f.facts()
	if err != nil {
		return err
	}
	var ask func(explain.Question) ([]explain.Explanation, error)
	if verb == policy.ActionNetwork.String() {
		ask, err = f.network(subject, facts)
	} else {
		var a product.Action
		a, err = f.action(verb, subject, facts)
		ask = func(q explain.Question) ([]explain.Explanation, error) {
			e, err := q.Explain(a)
			return []explain.Explanation{e}, err
		}
	}
	if err != nil {
		return err
	}
	floor, err := readFloor(f.floor, c.InOrStdin())
	if err != nil {
		return err
	}
	o := policy.Options{Floor: floor}
	if o.AllowedRelaxations, err = f.relaxations(); err != nil {
		return err
	}
	l, err := compilePolicy(c, f.policy, o)
	if err != nil {
		return err
	}
	q := explain.Question{Policy: l.policy, Tables: l.tables, Options: o}
	out := explainResult{File: f.policy, Observe: l.tables.Observe, Entrypoint: l.policy.Entrypoint, all: f.all}
	allowed := true
	answers, err := ask(q)
	if err != nil {
		return err
	}
	for _, e := range answers {
		allowed = allowed && e.Verdict.Allow
		out.Verdicts = append(out.Verdicts, verdictDocument(e))
	}
	if err := f.output.print(c.OutOrStdout(), out, out.print); err != nil {
		return &exitError{exitInternal, err}
	}
	if !allowed {
		return &exitError{code: exitFindings}
	}
	return nil
}

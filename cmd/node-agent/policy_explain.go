package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/explain"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/image"
	"github.com/authensor/safeclaw-node-agent/pkg/policy/product"
)

type explainFlags struct {
	policy, floor, exe, args, addr, protocol string
	port                                     uint16
	mounted, hostNetwork, all                bool
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
real path, a host name or an address. For a name, resolving and connecting are
two verdicts.

Exit codes: 0 allowed; 1 denied; 2 an error in the policy, or wrong use.`,
		Example: `  node-agent policy explain --policy policy.yaml file.write /app/output/x
  node-agent policy explain --policy policy.yaml process.exec /usr/bin/git --args 'push origin'
  node-agent policy explain --policy policy.yaml network.request api.openai.com --port 443`,
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
	fl.BoolVar(&f.hostNetwork, "host-network", false, "network.request: the pod shares the node's network")
	fl.BoolVar(&f.all, "all", false, "list the rules of the baseline that do not match as well")
	f.relaxations = relaxationFlag(c)
	f.output = outputFlag(c)
	_ = c.MarkFlagRequired("policy")
	return c
}

// unnamed is an address for documentation, which rules name by accident only.
const unnamed = "192.0.2.1"

// actions returns what is asked: for a host name two actions.
func (f *explainFlags) actions(verb, subject string) ([]product.Action, error) {
	facts := policy.Facts{}
	if f.exe != "" {
		facts.Exe = policy.PathSubject(false, f.exe)
		if !product.WellFormed(policy.KindRead, facts.Exe) {
			return nil, fmt.Errorf("--exe %q is no real path: absolute, without . and .., without a slash at the end", f.exe)
		}
	}
	if verb == policy.ActionNetwork.String() {
		return f.network(subject, facts)
	}
	kind, ok := map[string]policy.Kind{
		"file.read": policy.KindRead, "file.write": policy.KindWrite, "file.delete": policy.KindDelete,
		"file.map": policy.KindMap, "process.exec": policy.KindExec,
	}[verb]
	if !ok {
		return nil, fmt.Errorf("unknown action %q: it is file.read, file.write, file.delete, file.map, process.exec or network.request", verb)
	}
	a := product.Action{Kind: kind, Subject: policy.PathSubject(f.mounted, subject), Facts: facts}
	if !product.WellFormed(kind, a.Subject) {
		return nil, fmt.Errorf("%q is no real path: absolute, without . and .., without a slash at the end", subject)
	}
	if kind == policy.KindExec {
		words, err := image.Words(f.args)
		if err != nil {
			return nil, fmt.Errorf("--args: %w", err)
		}
		a.Facts.Command = policy.CommandSubject(f.mounted, subject, words)
	} else if f.args != "" {
		return nil, errors.New("--args are of process.exec")
	}
	return []product.Action{a}, nil
}

func (f *explainFlags) network(subject string, facts policy.Facts) ([]product.Action, error) {
	protocol, ok := map[string]uint8{"tcp": 6, "udp": 17}[f.protocol]
	if !ok {
		return nil, fmt.Errorf("--protocol %s: it is tcp or udp", f.protocol)
	}
	connect := func(addr netip.Addr, facts policy.Facts) product.Action {
		return product.Action{Kind: policy.KindAddr, Subject: policy.AddrSubject(f.hostNetwork, addr, protocol, f.port), Facts: facts}
	}
	if addr, err := netip.ParseAddr(strings.Trim(subject, "[]")); err == nil {
		return []product.Action{connect(addr, facts)}, nil
	}
	resolve := product.Action{Kind: policy.KindHost, Subject: policy.HostSubject(subject), Facts: facts}
	if !product.WellFormed(policy.KindHost, resolve.Subject) || strings.ContainsAny(subject, "/:") {
		return nil, fmt.Errorf("%q is neither a host name nor an address; the port is --port", subject)
	}
	if err := policy.CheckHostName(subject); err != nil {
		return nil, err
	}
	to := f.addr
	if to == "" {
		to = unnamed
	}
	addr, err := netip.ParseAddr(to)
	if err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	facts.Name = resolve.Subject
	return []product.Action{resolve, connect(addr, facts)}, nil
}

func (f *explainFlags) run(c *cobra.Command, verb, subject string) error {
	actions, err := f.actions(verb, subject)
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
	for _, a := range actions {
		e, err := q.Explain(a)
		if err != nil {
			return err
		}
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

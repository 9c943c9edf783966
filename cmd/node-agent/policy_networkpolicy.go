package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy/netpol"
)

func policyNetworkPolicyCommand() *cobra.Command {
	var output *outputFormat
	var floor string
	var selector []string
	var o netpol.Options
	c := &cobra.Command{
		Use:   "networkpolicy FILE --name NAME --selector LABEL=VALUE",
		Short: "Write a Kubernetes NetworkPolicy from the same rules",
		Long: `Writes an egress NetworkPolicy that complements a policy. It is never narrower
than the policy, and as narrow as a NetworkPolicy can be: rules by cidr become
blocks and ports, denies become exceptions, rules by host name become egress to
any address on their ports. Comments say what it does not express (with -o json,
an annotation).
Exit codes: 0 written; 2 an error in the policy, or wrong use.`,
		Example: "  node-agent policy networkpolicy policy.yaml --name agent-egress --namespace ai --selector app=agent",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if err := errors.Join(checkObjectName("name", o.Name), checkObjectName("namespace", o.Namespace)); err != nil {
				return err
			}
			if o.Selector, err = parseLabels(selector); err != nil {
				return err
			}
			f, err := readFloor(floor, c.InOrStdin())
			if err != nil {
				return err
			}
			p, err := readPolicy(args[0], c.InOrStdin())
			if err != nil {
				return err
			}
			np, err := netpol.Generate(p, f, o)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if err := output.print(c.OutOrStdout(), np, func(w *textWriter) { w.Write(np.YAML()) }); err != nil {
				return &exitError{exitInternal, err}
			}
			return nil
		},
	}
	fl := c.Flags()
	fl.StringVar(&o.Name, "name", "", "name of the NetworkPolicy (required)")
	fl.StringVar(&o.Namespace, "namespace", "", "its namespace")
	fl.StringSliceVar(&selector, "selector", nil, "labels of the pods, LABEL=VALUE; may be repeated (required)")
	fl.StringVar(&floor, "floor", "", "the cluster policy whose denies stand before")
	fl.BoolVar(&o.PodPeers, "pods", false, "also select pods in rules by cidr, for network plugins whose ipBlock matches no pod (Cilium)")
	_ = c.MarkFlagRequired("name")
	_ = c.MarkFlagRequired("selector")
	output = outputFlag(c)
	return c
}

// What Kubernetes takes for names and labels.
var (
	objectName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	labelKey   = regexp.MustCompile(`^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$`)
)

func checkObjectName(flag, name string) error {
	if name != "" && !objectName.MatchString(name) {
		return fmt.Errorf("--%s %q: Kubernetes takes small letters, digits, - and ., and a letter or digit at both ends", flag, name)
	}
	return nil
}

func parseLabels(selector []string) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range selector {
		k, v, ok := strings.Cut(s, "=")
		if !ok || !labelKey.MatchString(k) || !labelValue.MatchString(v) || len(v) > 63 {
			return nil, fmt.Errorf("--selector %q: write LABEL=VALUE, as kubectl takes it", s)
		}
		out[k] = v
	}
	return out, nil
}

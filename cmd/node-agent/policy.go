package main

import "github.com/spf13/cobra"

func policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Check, test and convert policies; needs no kernel",
		Long: `Tools for who writes policies. They need no kernel and no cluster.
Exit codes: 0 success; 1 findings, such as a test case that failed; 2 an error
in a policy, or wrong use.`,
	}
	c.AddCommand(
		policyCheckCommand(), policyLintCommand(),
		policyTestCommand(), policyExplainCommand(), policyDiffCommand(),
		policyImportCommand(), policyCompileCommand(),
		policyNetworkPolicyCommand(),
		policyBaselineCommand(), policySchemaCommand(),
	)
	return c
}

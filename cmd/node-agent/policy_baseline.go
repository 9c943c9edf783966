package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

func policyBaselineCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "baseline {image|runtime|none}",
		Short:     "Print the rules that come after a policy's own",
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"image", "runtime", "none"},
		RunE: func(c *cobra.Command, args []string) error {
			src, ok := policy.BaselineSource(args[0])
			if !ok {
				return fmt.Errorf("no baseline %q: there are image, runtime and none", args[0])
			}
			_, err := c.OutOrStdout().Write(src)
			return err
		},
	}
}

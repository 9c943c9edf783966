package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// maxManifest bounds what is read of a policy and the manifest around it.
const maxManifest = 4 << 20

// loaded is a policy file, parsed and compiled.
type loaded struct {
	policy *policy.Policy
	tables *policy.Tables
}

// loadPolicy reads a file, or standard input for "-".
func loadPolicy(c *cobra.Command, file string, o policy.Options) (loaded, error) {
	var src []byte
	var err error
	if file == "-" {
		src, err = io.ReadAll(io.LimitReader(c.InOrStdin(), maxManifest))
	} else {
		src, err = os.ReadFile(file)
	}
	if err != nil {
		return loaded{}, err
	}
	p, err := policy.Parse(file, src)
	if err != nil {
		return loaded{}, err
	}
	t, err := policy.Compile(p, o)
	if err != nil {
		return loaded{}, fmt.Errorf("%s: %w", file, err)
	}
	return loaded{p, t}, nil
}

// rulePlace says where a rule is: in the file, or by whom it was made.
func rulePlace(file string, r policy.RuleInfo) string {
	if r.Origin == policy.OriginUser {
		return fmt.Sprintf("%s:%d", file, r.Line)
	}
	return ""
}

// Command audit-verify verifies audit logs of SafeClaw's node agent. It is for
// whoever has only the log: it is static, and has no BPF and no Kubernetes in it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/internal/auditcmd"
)

func rootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "audit-verify",
		Short: "Verify audit logs of SafeClaw's node agent",
		Long: `audit-verify says whether an audit log of SafeClaw's node agent is what it was, and
against what that is proven. It needs the log's files only, and for the whole proof
one small note from elsewhere. The same commands are in "node-agent audit".`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	if bi, ok := debug.ReadBuildInfo(); ok {
		c.Version = bi.Main.Version
	}
	c.AddCommand(auditcmd.Commands(func(io.Writer) bool { return false })...)
	return c
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout))
}

func run(args []string, out io.Writer) int {
	c := rootCommand()
	c.SetArgs(args)
	c.SetOut(out)
	err := c.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	code := 125
	var e *auditcmd.ExitError
	if errors.As(err, &e) {
		code = e.Code
	}
	if e == nil || e.Err != nil {
		fmt.Fprintf(os.Stderr, "audit-verify: %s\n", strconv.Quote(err.Error()))
	}
	return code
}

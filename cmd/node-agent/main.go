// Command node-agent enforces SafeClaw policies in the kernel.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/internal/auditcmd"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// Exit codes, documented in the help of the root command.
const (
	exitFindings    = 1   // a tool found something, such as a test case that failed
	exitUsage       = 2   // wrong use, or a policy with errors
	exitUnsupported = 3   // this machine cannot enforce
	exitInternal    = 125 // the agent itself failed
)

// exitError ends the program with a code. Without an error nothing is printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// release is set by the linker, for images.
var release string

// version is the release, or the module's version, or the commit it was built from.
func version() string {
	if release != "" {
		return release
	}
	bi, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := bi.Main.Version
	for _, s := range bi.Settings {
		if s.Key == "vcs.revision" && v == "(devel)" {
			v = "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}

func rootCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "node-agent",
		Short: "Enforce SafeClaw policies in the kernel",
		Long: `node-agent enforces SafeClaw policies for AI agents in the kernel, with BPF LSM:
which files a program reads and writes, what it executes, where it connects.

Exit codes: 0 success; 1 a tool has findings; 2 wrong use, or a policy with
errors; 3 this machine cannot enforce (nothing was run); 125 the agent itself
failed. "run" otherwise ends with its program's status: 127 not found, 126 not
executable, 128+n killed by signal n. The audit commands and those about detached
runs (status, resume, uninstall, disable, enable) say theirs in their help.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddCommand(policyCommand(), auditCommand())
	c.AddCommand(kernelCommands()...)
	return c
}

func main() {
	err := rootCommand().ExecuteContext(context.Background())
	if err == nil {
		return
	}
	os.Exit(report(err))
}

// report prints an error for people and returns the exit code.
func report(err error) int {
	var ee *exitError
	var ae *auditcmd.ExitError
	var list policy.ErrorList
	switch {
	case errors.As(err, &ae) && ae.Err == nil:
		return ae.Code
	case ae != nil:
		fmt.Fprintf(os.Stderr, "node-agent: %s\n", shown(ae.Err.Error(), false))
		return ae.Code
	case errors.As(err, &ee) && ee.err == nil:
		return ee.code
	case errors.As(err, &list):
		fmt.Fprintln(os.Stderr, shown(list.Error(), false))
		fmt.Fprintf(os.Stderr, "node-agent: the policy was not loaded: %d error(s)\n", len(list))
		return exitUsage
	case reportUnsupported(err):
		return exitUnsupported
	case ee != nil:
		fmt.Fprintf(os.Stderr, "node-agent: %s\n", shown(ee.err.Error(), false))
		return ee.code
	}
	fmt.Fprintf(os.Stderr, "node-agent: %s\n", shown(err.Error(), false))
	return exitUsage
}

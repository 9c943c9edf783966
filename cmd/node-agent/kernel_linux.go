package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// kernelCommands are those that need the kernel side, and so Linux.
func kernelCommands() []*cobra.Command {
	return append(hiddenCommands(), runCommand(), resumeCommand(), statusCommand(), uninstallCommand(), disableCommand(), enableCommand(), doctorCommand(), daemonCommand())
}

// reportUnsupported prints err if it says that this machine cannot enforce.
func reportUnsupported(err error) bool {
	var un *loader.UnsupportedError
	if !errors.As(err, &un) {
		return false
	}
	fmt.Fprintf(os.Stderr, "node-agent: this machine cannot enforce: %v\n  what to do: %s\n  nothing was run; `node-agent doctor` says more\n", un, un.Do)
	return true
}

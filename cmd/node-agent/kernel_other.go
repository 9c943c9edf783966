//go:build !linux

package main

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"
)

// kernelCommands only say that they need Linux: elsewhere the program checks
// policies and reads logs.
func kernelCommands() []*cobra.Command {
	var out []*cobra.Command
	for _, name := range []string{"run", "resume", "status", "uninstall", "disable", "enable", "doctor"} {
		out = append(out, &cobra.Command{
			Use: name, Short: "Needs Linux", DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return &exitError{exitUnsupported, errors.New(name + " needs Linux with BPF LSM; this is " + runtime.GOOS)}
			},
		})
	}
	return out
}

func reportUnsupported(error) bool { return false }

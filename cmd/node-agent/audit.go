package main

import (
	"github.com/spf13/cobra"

	"github.com/authensor/safeclaw-node-agent/internal/auditcmd"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Verify, read, export and prove audit logs"}
	c.AddCommand(auditcmd.Commands(useColor)...)
	c.AddCommand(auditcmd.BenchCommand())
	return c
}

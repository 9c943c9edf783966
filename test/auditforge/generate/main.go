// Command generate makes the vectors of the audit log's format in a directory.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/authensor/safeclaw-node-agent/test/auditforge"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate DIR")
		os.Exit(2)
	}
	if err := auditforge.Generate(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

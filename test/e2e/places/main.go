//go:build linux

// places tells what pkg/cgroup sees of a node's pods: one JSON line for each cgroup of a pod or container that comes or goes.
//
//	places ROOT
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "use: places ROOT")
		os.Exit(2)
	}
	out := json.NewEncoder(os.Stdout)
	err := cgroup.Tree{Root: os.Args[1]}.Watch(context.Background(), func(c cgroup.Change) error { return out.Encode(c) })
	fmt.Fprintln(os.Stderr, "places:", err)
	os.Exit(1)
}

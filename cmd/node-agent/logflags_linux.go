package main

import (
	"github.com/spf13/pflag"

	"github.com/authensor/safeclaw-node-agent/pkg/agent"
)

// logFlags are about how a log is kept.
func logFlags(f *pflag.FlagSet, o *agent.LogOptions) {
	f.StringArrayVar(&o.Anchors, "anchor", nil, "FILE that the audit log's checkpoints are appended to, best on another machine's volume, or - for standard error; `audit verify --anchor` takes it; may be repeated")
	f.Int64Var(&o.MaxBytes, "log-max-bytes", 0, "remove the oldest parts of the log beyond this (default: 5 GiB or 5% of the file system, whichever is less)")
	f.BoolVar(&o.RemoveWhenFull, "log-remove-when-full", false, "remove the oldest parts of the log also when the disk is full; otherwise the log waits for room and declares what it lost")
}

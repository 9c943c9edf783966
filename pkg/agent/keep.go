package agent

import (
	"log/slog"
	"os"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/ship"
)

// LogOptions say how an audit log is kept.
type LogOptions struct {
	// Anchors are where its checkpoints go: files, or ship.Stderr.
	Anchors []string `json:"anchors,omitempty"`
	// MaxBytes, MaxAge, KeepUnshipped and RemoveWhenFull are those of audit.Options.
	MaxBytes       int64         `json:"max_bytes,omitempty"`
	MaxAge         time.Duration `json:"max_age,omitempty"`
	KeepUnshipped  bool          `json:"keep_unshipped,omitempty"`
	RemoveWhenFull bool          `json:"remove_when_full,omitempty"`
}

// options are those of the log of a node.
func (o LogOptions) options(node string, logger *slog.Logger) audit.Options {
	return audit.Options{
		Node: audit.Node{Name: node, UID: node}, Logger: logger, Anchors: ship.To(o.Anchors, os.Stderr),
		MaxBytes: o.MaxBytes, MaxAge: o.MaxAge, KeepUnshipped: o.KeepUnshipped, RemoveWhenFull: o.RemoveWhenFull,
	}
}

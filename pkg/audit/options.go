// SPDX-License-Identifier: MIT

package audit

import (
	"log/slog"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
)

// Options of [Open]. The zero value of every field but Node is usable.
type Options struct {
	// Cluster and Node say whose log it is. They are part of the log's origin,
	// "<cluster>/<node uid>/<incarnation>"; opening a log with another cluster
	// or node UID is an [OriginError]. Cluster defaults to "standalone",
	// Node.UID to Node.Name, and that to "node".
	Cluster string
	Node    Node

	// QueueRecords and QueueBytes bound what is appended and not yet durable;
	// beyond them Append returns [ErrQueueFull]. Default 65,536 records and
	// 64 MiB.
	QueueRecords int
	QueueBytes   int

	// Delay is how long a record that is not critical may wait for company
	// before it is committed. Default 5 ms.
	Delay time.Duration

	// Logger hears of recoveries and failures. Default: nobody.
	Logger *slog.Logger

	// FS and Machine default to the operating system.
	FS      vfs.FS
	Machine vfs.Machine
}

const (
	defaultQueueRecords = 64 << 10
	defaultQueueBytes   = 64 << 20
	defaultDelay        = 5 * time.Millisecond

	// A commit covers at most maxBatch records and, but for its last one, at
	// most maxBatchBytes. What a crash leaves after the last commit record is
	// therefore never longer than maxTail.
	maxBatch      = 8192
	maxBatchBytes = 8 << 20
	maxTail       = maxBatchBytes + 2*(MaxRecord+1)

	// Enough waiting to commit without further delay.
	readyRecords = 512
	readyBytes   = 256 << 10
)

func (o Options) withDefaults() Options {
	setDefault(&o.Cluster, "standalone")
	setDefault(&o.Node.Name, "node")
	setDefault(&o.Node.UID, o.Node.Name)
	setDefault(&o.QueueRecords, defaultQueueRecords)
	setDefault(&o.QueueBytes, defaultQueueBytes)
	setDefault(&o.Delay, defaultDelay)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Machine == nil {
		o.Machine = vfs.OS{}
	}
	return o
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

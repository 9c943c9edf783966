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
	// before it is committed. Default 20 ms.
	Delay time.Duration

	// SegmentBytes and SegmentAge say when a segment is sealed and followed by
	// another: when it is as long, or that old and not empty. Default 64 MiB, but
	// not more than an eighth of MaxBytes and not less than 1 MiB, and a day.
	SegmentBytes int64
	SegmentAge   time.Duration

	// MaxBytes is how much room all segments may take; the oldest are removed
	// beyond it, and the removal recorded. Default: the smaller of 5 GiB and 5%
	// of the file system. MaxAge, if set, is how old the last record of a segment
	// may become.
	MaxBytes int64
	MaxAge   time.Duration
	// KeepUnshipped keeps segments that no anchor knows, whatever their size and age.
	KeepUnshipped bool
	// RemoveWhenFull says that the oldest segments may be removed also when the disk
	// is full. Otherwise the log waits for room, and declares what it could not take.
	RemoveWhenFull bool

	// PackAfter is how long a segment stays plain after it was followed, before
	// it is compressed. Default: an hour, which is also the least.
	PackAfter time.Duration

	// Anchors take signed checkpoints off the node.
	Anchors []Shipper

	// Logger hears of recoveries and failures. Default: nobody.
	Logger *slog.Logger

	// FS and Machine default to the operating system.
	FS      vfs.FS
	Machine vfs.Machine
}

const (
	defaultQueueRecords = 64 << 10
	defaultQueueBytes   = 64 << 20
	defaultDelay        = 20 * time.Millisecond

	// A commit covers at most maxBatch records and, but for its last one, at
	// most maxBatchBytes. What a crash leaves after the last commit record is
	// therefore never longer than maxTail.
	maxBatch      = 8192
	maxBatchBytes = 8 << 20
	maxTail       = maxBatchBytes + 64<<10

	defaultSegmentBytes = 64 << 20
	minSegmentBytes     = 1 << 20
	defaultSegmentAge   = 24 * time.Hour
	defaultMaxBytes     = 5 << 30
	minPackAfter        = time.Hour

	// The longest time that a durable record waits for a checkpoint, and that a
	// critical one does.
	pointDelay         = time.Second
	pointDelayCritical = 50 * time.Millisecond
	// How often retention looks.
	choreInterval = time.Minute
	// A writer that cannot write tries again after this, and no later than that.
	retryFirst, retryLast = 10 * time.Millisecond, 5 * time.Second

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
	setDefault(&o.SegmentAge, defaultSegmentAge)
	o.PackAfter = max(o.PackAfter, minPackAfter)
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

package agent

import (
	"errors"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// bookkeeper is a Reconciler's ledger: the log. What this has no room for now
// waits for the next entry.
type bookkeeper struct {
	rec   *Recorder
	known map[uint64]string // what each tables' record said
	owed  []audit.Record
}

func newBookkeeper(rec *Recorder) *bookkeeper {
	return &bookkeeper{rec: rec, known: map[uint64]string{}}
}

// Apply records tables once for each name under which they come into force.
func (b *bookkeeper) Apply(name string, t *policy.Tables) error {
	if b.known[t.ID] == name {
		b.rec.know(name, t)
		return nil
	}
	err := b.rec.Apply(name, t)
	if errors.Is(err, audit.ErrQueueFull) {
		return nil // the next time that it is applied
	}
	if err == nil {
		b.known[t.ID] = name
	}
	return err
}

// Bound records that a cgroup came under a policy, or left it.
func (b *bookkeeper) Bound(r *audit.Binding) error {
	b.owed = append(b.owed, r)
	return b.settle()
}

// settle writes what is owed.
func (b *bookkeeper) settle() error {
	for len(b.owed) > 0 {
		err := b.rec.log.Append(b.owed[0])
		if errors.Is(err, audit.ErrQueueFull) {
			return nil
		}
		if err != nil {
			return err
		}
		b.owed = b.owed[1:]
	}
	return nil
}

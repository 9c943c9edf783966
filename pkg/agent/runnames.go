package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// namesFile has the executables' names that records of a run may need again:
// the kernel knows them by a keyed hash, which its programs hand on.
const namesFile = "executables.json"

// namesKept bounds it: a gated process can make new names without end.
const namesKept = 1000

// saveNames replaces the file in one step. It is not made durable: what is lost
// with the machine is of no use after it.
func (d *RunDir) saveNames(n *names) error {
	b, err := json.Marshal(n.copy(namesKept))
	if err != nil {
		return fmt.Errorf("encode names: %w", err)
	}
	tmp := d.path("." + namesFile)
	if err = os.WriteFile(tmp, b, 0o600); err == nil {
		err = os.Rename(tmp, d.path(namesFile))
	}
	if err != nil {
		return fmt.Errorf("write names: %w", err)
	}
	return nil
}

// loadNames adds what an agent before this one has saved.
func (d *RunDir) loadNames(n *names) error {
	b, err := os.ReadFile(d.path(namesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	var saved map[uint64][]byte
	if err := json.Unmarshal(b, &saved); err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	for id, name := range saved {
		n.put(id, name)
	}
	return nil
}

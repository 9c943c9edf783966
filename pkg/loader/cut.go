package loader

import (
	"fmt"
	"slices"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// cut ends the connections of a slot that its tables allow no longer, if they
// say so. It is done when the tables are in force.
func (g *Gate) cut(n uint32, t *policy.Tables) error {
	if !slices.Contains(t.Needs, needCut) {
		return nil
	}
	slot, err := g.variable(safeclawVarCutSlot)
	if err != nil {
		return err
	}
	if err := slot.Set(n); err != nil {
		return fmt.Errorf("say whose connections are cut: %w", err)
	}
	for _, p := range []string{safeclawProgCutTcp, safeclawProgCutUdp} {
		if _, err := runIterator(g.coll.Programs[p]); err != nil {
			return fmt.Errorf("cut connections: %w", err)
		}
	}
	ended, err := g.variable(safeclawVarCutEnded)
	if err != nil {
		return err
	}
	var count uint32
	if err := ended.Get(&count); err != nil {
		return fmt.Errorf("count cut connections: %w", err)
	}
	if err := ended.Set(uint32(0)); err != nil {
		return fmt.Errorf("count cut connections: %w", err)
	}
	if count > 0 {
		g.log.Info("connections were cut that the policy allows no longer", "slot", n, "connections", count)
	}
	return nil
}

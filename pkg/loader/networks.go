package loader

import "fmt"

// Networks lists the cgroups of which SetNetwork has said something.
func (g *Gate) Networks() ([]uint64, error) {
	var out []uint64
	var id uint64
	var pod safeclawDnsPod
	it := g.coll.Maps[safeclawMapDnsPods].Iterate()
	for it.Next(&id, &pod) {
		out = append(out, id)
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	return out, nil
}

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// open goes on with an instance's pins: it adopts those of the same build, takes
// over from those of another, and pins what it loads. At every moment one complete
// set gates whoever is gated; if this process dies on the way the next one finds
// that set, and removes what was not completed.
func (g *Gate) open(ctx context.Context, obj object, spec *ebpf.CollectionSpec, o Options) error {
	if err := checkBPFFS(o.PinDir); err != nil {
		return err
	}
	if err := os.MkdirAll(o.PinDir, 0o700); err != nil {
		return fmt.Errorf("make directory of pins: %w", err)
	}
	var err error
	if g.lock, err = lockPins(o.PinDir); err != nil {
		return err
	}
	if err := removePartial(o.PinDir); err != nil {
		return err
	}
	gens, err := generations(o.PinDir)
	if err != nil {
		return err
	}
	key := pinKey(obj, o)
	if len(gens) == 0 {
		return g.openFresh(ctx, obj, spec, o, key)
	}
	newest, older := gens[len(gens)-1], gens[:len(gens)-1]
	if newest.key == key {
		err := g.openSame(newest, older, spec, o)
		if !errors.Is(err, errDamaged) {
			return err
		}
		g.log.Warn("pins in force are damaged: their programs are replaced", "error", err)
		if err := g.closeKernel(); err != nil {
			return err
		}
	}
	return g.openOther(ctx, newest, older, obj, spec, o, key)
}

func (g *Gate) openFresh(ctx context.Context, obj object, spec *ebpf.CollectionSpec, o Options, key string) error {
	if err := g.load(ctx, obj, spec, o, nil); err != nil {
		return err
	}
	part, err := g.pin(o.PinDir, key)
	if err != nil {
		return err
	}
	g.gen, err = part.complete(1)
	return err
}

// openSame adopts. What an upgrade has left behind is older than what is in force.
func (g *Gate) openSame(newest generation, older []generation, spec *ebpf.CollectionSpec, o Options) error {
	if err := g.adopt(newest, spec); err != nil {
		return err
	}
	if err := g.Control().begin(o.AgentLoss, false); err != nil {
		return err
	}
	g.how = StartAdopted
	if err := g.openReaders(); err != nil {
		return err
	}
	return g.supersede(older)
}

// openOther attaches this build's programs beside those in force and takes over.
func (g *Gate) openOther(ctx context.Context, newest generation, older []generation, obj object, spec *ebpf.CollectionSpec, o Options, key string) error {
	hash, err := handoverKey(newest)
	if err != nil {
		return err
	}
	if err := g.load(ctx, obj, spec, o, hash); err != nil {
		return err
	}
	part, err := g.pin(o.PinDir, key)
	if err != nil {
		return err
	}
	// Before tasks: from then on their queries are read by these programs.
	if err := g.takeNames(newest, part); err != nil {
		return errors.Join(err, g.abandon(part))
	}
	if err := g.takeOver(ctx, newest, o.Tables); err != nil {
		return errors.Join(err, g.abandon(part))
	}
	if err := g.copyNames(newest); err != nil {
		return errors.Join(err, g.abandon(part))
	}
	if g.gen, err = g.replace(newest, part); err != nil {
		return errors.Join(err, g.abandon(part))
	}
	g.how = StartUpgraded
	return g.supersede(append(older, newest))
}

// replace puts a set that gates whom the old one gates in its place. Nobody
// changes the off switch between its copy and that moment.
func (g *Gate) replace(old, part generation) (generation, error) {
	hold, err := old.hold(unix.LOCK_EX)
	if err != nil {
		return part, err
	}
	if err := g.takeControl(old); err != nil {
		return part, errors.Join(err, hold.Close())
	}
	gen, err := part.complete(old.number + 1)
	return gen, errors.Join(err, hold.Close())
}

// abandon removes a set that could not take over, so that nothing of it decides.
func (g *Gate) abandon(part generation) error {
	if err := retire(part); err != nil {
		return err
	}
	_, err := removePins(part.dir)
	return err
}

// supersede detaches older sets. Of the newest of them the last records are kept
// for Previous; of those before it nobody will read any.
func (g *Gate) supersede(older []generation) error {
	for i, gen := range older {
		if err := retire(gen); err != nil {
			return err
		}
		if i < len(older)-1 {
			if _, err := removePins(gen.dir); err != nil {
				return err
			}
			continue
		}
		var err error
		if g.prev, err = openPrevious(gen); err != nil {
			// Whose records cannot be read: its counters say so in the log.
			g.log.Warn("the last records of the programs before cannot be read", "error", err)
			if _, err := removePins(gen.dir); err != nil {
				return err
			}
		}
	}
	return nil
}

package loader

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

// Previous is a set of programs that another has replaced. It decides nothing any
// more; what it recorded last is there to be read, until Close removes its pins.
type Previous struct {
	Generation int

	gen                    generation
	reader                 *ringbuf.Reader
	events, stats, counted *ebpf.Map
}

// Previous returns the set that this one has replaced, or nil.
func (g *Gate) Previous() *Previous { return g.prev }

// openPrevious detaches a retired set and opens its records.
func openPrevious(gen generation) (p *Previous, err error) {
	p = &Previous{Generation: gen.number, gen: gen}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.release())
		}
	}()
	if err := detach(gen); err != nil {
		return nil, err
	}
	if p.events, err = gen.openMap(safeclawMapEvents); err != nil {
		return nil, err
	}
	if p.stats, err = gen.openMap(safeclawMapStats); err != nil {
		return nil, err
	}
	if p.counted, err = gen.openMap(safeclawMapCounted); err != nil {
		return nil, err
	}
	if p.reader, err = ringbuf.NewReader(p.events); err != nil {
		return nil, fmt.Errorf("open event ring: %w", err)
	}
	return p, nil
}

// detach removes a set's links and leaves its maps. At once: for each the kernel
// waits until no task can be in the program, and one wait does for all.
func detach(gen generation) error {
	links, err := filepath.Glob(filepath.Join(gen.dir, pinLinks, "*"))
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	errs := make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { errs[i] = os.Remove(l) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("detach programs: %w", err)
	}
	return nil
}

// Drain calls fn for each record that was not read before.
func (p *Previous) Drain(fn func(*Event) error) error { return drainRing(p.reader, fn) }

// Stats reads the final counters.
func (p *Previous) Stats() ([]CPUStats, error) { return readStats(p.stats) }

// Counted reads the counted allows of the last interval.
func (p *Previous) Counted() ([]Counted, error) {
	var inner *ebpf.Map
	err := p.counted.Lookup(uint32(0), &inner)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find counted allows: %w", err)
	}
	defer inner.Close()
	return readCounted(inner)
}

// Close removes the set's pins.
func (p *Previous) Close() error {
	if err := p.release(); err != nil {
		return err
	}
	_, err := removePins(p.gen.dir)
	return err
}

// release closes what this process has open of it.
func (p *Previous) release() error {
	var errs []error
	if p.reader != nil {
		errs = append(errs, p.reader.Close())
		p.reader = nil
	}
	for _, m := range []**ebpf.Map{&p.events, &p.stats, &p.counted} {
		if *m != nil {
			errs = append(errs, (*m).Close())
			*m = nil
		}
	}
	return errors.Join(errs...)
}

func drainRing(r *ringbuf.Reader, fn func(*Event) error) error {
	r.SetDeadline(time.Now())
	defer r.SetDeadline(time.Time{})
	var rec ringbuf.Record
	for left := r.AvailableBytes(); left > 0; left -= ringHead + (len(rec.RawSample)+7)&^7 {
		err := r.ReadInto(&rec)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		e, err := decodeEvent(rec.RawSample)
		if err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

package loader

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// PinRoot is below which the instances keep their pins, one directory each.
const PinRoot = "/sys/fs/bpf/safeclaw"

// The folders of a generation.
const (
	pinMaps  = "maps"
	pinProgs = "progs"
	pinLinks = "links"
)

const (
	generationPrefix = "gen-" // of a complete set of pins; number and key follow
	partialPrefix    = "new-" // of one that is being made, or was when its maker died
)

// ErrNoPins says that a directory holds no complete set of pins.
var ErrNoPins = errors.New("no pinned programs")

// generation is one complete set of pins: docs/format/pins.md. The one with the
// highest number is in force; others are what an upgrade has not removed yet.
type generation struct {
	dir    string
	number int
	key    string // of the build that made it
}

func (g generation) path(kind, name string) string { return filepath.Join(g.dir, kind, pinName(name)) }

// pinName is a map's or program's name as bpffs allows it: without dots.
func pinName(name string) string { return strings.ReplaceAll(name, ".", "_") }

// pinKey identifies what would be loaded: two builds with the same key can go on
// with each other's pins.
func pinKey(obj object, o Options) string {
	h := sha256.Sum256(fmt.Appendf(nil, "abi %d, %s, protect %v, %s\n%s", abiVersion, obj.name, o.Protect, o.Build, obj.bytes))
	return hex.EncodeToString(h[:])[:12]
}

// generations lists the complete sets in an instance's directory, the oldest first.
func generations(pinDir string) ([]generation, error) {
	entries, err := os.ReadDir(pinDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list pins: %w", err)
	}
	var out []generation
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), generationPrefix)
		if !ok {
			continue
		}
		number, key, ok := strings.Cut(rest, "-")
		n, err := strconv.Atoi(number)
		if !ok || err != nil {
			return nil, fmt.Errorf("list pins: %s: this is no name of ours; remove it", filepath.Join(pinDir, e.Name()))
		}
		out = append(out, generation{dir: filepath.Join(pinDir, e.Name()), number: n, key: key})
	}
	slices.SortFunc(out, func(a, b generation) int { return a.number - b.number })
	return out, nil
}

// checkBPFFS refuses a directory that is on no bpffs: nothing could be pinned there.
func checkBPFFS(pinDir string) error {
	var st unix.Statfs_t
	at := filepath.Clean(pinDir)
	err := unix.Statfs(at, &st)
	for errors.Is(err, unix.ENOENT) && at != "/" && at != "." {
		at = filepath.Dir(at)
		err = unix.Statfs(at, &st)
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", at, err)
	}
	if st.Type != unix.BPF_FS_MAGIC {
		return &UnsupportedError{What: pinDir + " is on no bpffs", Do: "mount -t bpf bpf /sys/fs/bpf"}
	}
	return nil
}

// pin pins what is loaded and attached under a name that says that it is not
// complete: see complete.
func (g *Gate) pin(pinDir, key string) (generation, error) {
	part := generation{dir: filepath.Join(pinDir, partialPrefix+key), key: key}
	for _, kind := range []string{pinMaps, pinProgs, pinLinks} {
		if err := os.MkdirAll(filepath.Join(part.dir, kind), 0o700); err != nil {
			return part, fmt.Errorf("make directory of pins: %w", err)
		}
	}
	for name, m := range g.coll.Maps {
		if err := m.Pin(part.path(pinMaps, name)); err != nil {
			return part, fmt.Errorf("pin map %s: %w", name, err)
		}
	}
	for name, p := range g.coll.Programs {
		if err := p.Pin(part.path(pinProgs, name)); err != nil {
			return part, fmt.Errorf("pin program %s: %w", name, err)
		}
	}
	for i, h := range g.hooks {
		if err := g.links[i].Pin(part.path(pinLinks, h.program)); err != nil {
			return part, fmt.Errorf("pin link of %s: %w", h.program, err)
		}
	}
	return part, nil
}

// complete makes a partial set the generation in force, in one step.
func (p generation) complete(number int) (generation, error) {
	gen := generation{dir: filepath.Join(filepath.Dir(p.dir), fmt.Sprintf("%s%06d-%s", generationPrefix, number, p.key)), number: number, key: p.key}
	if err := os.Rename(p.dir, gen.dir); err != nil {
		return gen, fmt.Errorf("complete pins: %w", err)
	}
	return gen, nil
}

// removePins removes a directory of pins and says what it removed. Links go first:
// without them nothing runs any more.
func removePins(dir string) ([]string, error) {
	var removed []string
	var errs []error
	for _, kind := range []string{pinLinks, pinProgs, pinMaps} {
		sub := filepath.Join(dir, kind)
		entries, err := os.ReadDir(sub)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("remove pins: %w", err)
		}
		// At once: for each link the kernel waits until no task can be in its program.
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, e := range entries {
			wg.Go(func() {
				err := os.Remove(filepath.Join(sub, e.Name()))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, err)
					return
				}
				removed = append(removed, filepath.Join(sub, e.Name()))
			})
		}
		wg.Wait()
		errs = append(errs, os.Remove(sub))
	}
	errs = append(errs, os.Remove(dir))
	slices.Sort(removed)
	if err := errors.Join(errs...); err != nil {
		return removed, fmt.Errorf("remove pins: %w", err)
	}
	return removed, nil
}

// removePartial removes what an agent left that died before its pins were
// complete. The generation in force gates whomever its programs gate.
func removePartial(pinDir string) error {
	parts, err := filepath.Glob(filepath.Join(pinDir, partialPrefix+"*"))
	if err != nil {
		return fmt.Errorf("list pins: %w", err)
	}
	for _, p := range parts {
		if err := retire(generation{dir: p}); err != nil {
			return err
		}
		if _, err := removePins(p); err != nil {
			return err
		}
	}
	return nil
}

// Uninstall ends an instance's enforcement and removes all its pins. It returns
// their names. What was gated runs ungated afterwards. It is ErrBusy while an
// agent lives.
func Uninstall(ctx context.Context, pinDir string) ([]string, error) {
	lock, err := lockPins(pinDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	gens, err := generations(pinDir)
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, gen := range slices.Backward(gens) {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if err := retire(gen); err != nil {
			return removed, err
		}
		r, err := removePins(gen.dir)
		removed = append(removed, r...)
		if err != nil {
			return removed, err
		}
	}
	if err := removePartial(pinDir); err != nil {
		return removed, err
	}
	if err := os.Remove(pinDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return removed, fmt.Errorf("remove pins: %w", err)
	}
	return removed, nil
}

// Instance is what one directory of pins holds.
type Instance struct {
	Name       string // of the directory
	Dir        string
	Generation int    // in force; 0: none is complete
	Key        string // of the build that made it
	Links      int    // programs attached by it
	Older      int    // generations that an upgrade has left
}

// Instances lists what is pinned below root.
func Instances(root string) ([]Instance, error) {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list pins: %w", err)
	}
	var out []Instance
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		in := Instance{Name: e.Name(), Dir: filepath.Join(root, e.Name())}
		gens, err := generations(in.Dir)
		if err != nil {
			return nil, err
		}
		if n := len(gens); n > 0 {
			newest := gens[n-1]
			in.Generation, in.Key, in.Older = newest.number, newest.key, n-1
			links, err := os.ReadDir(filepath.Join(newest.dir, pinLinks))
			if err != nil {
				return nil, fmt.Errorf("list pins: %w", err)
			}
			in.Links = len(links)
		}
		out = append(out, in)
	}
	return out, nil
}

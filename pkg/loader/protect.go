package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Protection says what beside our own maps, programs and links is protected.
type Protection struct {
	// HostProc is the /proc directory of a process in the host's mount
	// namespace. Default: /proc/self.
	HostProc string
	// Dirs are the directories of pins, log, state and sockets. They must be there.
	Dirs []string
}

// Objects are the numbers of the maps, programs and links of one load.
type Objects struct{ Maps, Programs, Links []uint32 }

// guardBits is how many low bits of an inode number choose a bit of the masks of bpf/guard.h.
const guardBits = 6

// Protect makes this process the agent of what is loaded: from here on only it,
// and the administrator of the host, may touch maps, programs, links, the
// directories and the process itself; see bpf/guard.h. Each call begins anew.
// When the process ends, what protects it ends; all else stays protected.
func (g *Gate) Protect(p Protection) error {
	if g.coll.Programs[safeclawProgGuardBpf] == nil {
		return errors.New("protect: the programs were loaded without Options.Protect")
	}
	if p.HostProc == "" {
		p.HostProc = "/proc/self"
	}
	var ns syscall.Stat_t
	if err := syscall.Stat(p.HostProc+"/ns/mnt", &ns); err != nil {
		return fmt.Errorf("stat host mount namespace: %w", err)
	}
	// From here on the kernel side adds what this process makes.
	if err := g.set(safeclawVarGuardHostMntns, uint32(ns.Ino)); err != nil {
		return err
	}
	own, err := g.locate(p.HostProc)
	if err != nil {
		return err
	}
	if len(own) == 0 {
		return errors.New("protect: the kernel side does not see this process")
	}
	if err := g.guardObjects(); err != nil {
		return err
	}
	return g.guardDirs(p.Dirs)
}

// ProtectKeeper protects, like the agent and until it ends, a process that outlives
// the agent and holds the links: see LinkFiles.
func (g *Gate) ProtectKeeper(pid int) error {
	if pid <= 0 {
		return fmt.Errorf("protect process %d: this is no number of a process", pid)
	}
	return g.set(safeclawVarGuardKeeper, uint32(pid))
}

func (g *Gate) set(name string, v any) error {
	known, err := g.variable(name)
	if err == nil {
		err = known.Set(v)
	}
	if err != nil {
		return fmt.Errorf("protect: set %s: %w", name, err)
	}
	return nil
}

// Objects lists what is loaded, inner maps included.
func (g *Gate) Objects() (Objects, error) {
	var o Objects
	for name, m := range g.coll.Maps {
		info, err := m.Info()
		if err != nil {
			return o, fmt.Errorf("ask about map %s: %w", name, err)
		}
		if id, ok := info.ID(); ok {
			o.Maps = append(o.Maps, uint32(id))
		}
	}
	inner, err := g.innerMaps()
	if err != nil {
		return o, err
	}
	o.Maps = append(o.Maps, inner...)
	for name, p := range g.coll.Programs {
		info, err := p.Info()
		if err != nil {
			return o, fmt.Errorf("ask about program %s: %w", name, err)
		}
		if id, ok := info.ID(); ok {
			o.Programs = append(o.Programs, uint32(id))
		}
	}
	for _, l := range g.links {
		info, err := l.Info()
		if err != nil {
			return o, fmt.Errorf("ask about link: %w", err)
		}
		o.Links = append(o.Links, uint32(info.ID))
	}
	return o, nil
}

// innerMaps are the numbers of the maps in maps. Only where there are some: on 6.1
// each look into a map of maps waits for a grace period.
func (g *Gate) innerMaps() ([]uint32, error) {
	var ids []uint32
	look := func(outer *ebpf.Map, key uint32) error {
		var id uint32
		err := outer.Lookup(key, &id)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look up an inner map: %w", err)
		}
		ids = append(ids, id)
		return nil
	}
	counts := g.coll.Maps[safeclawMapRuleCounts]
	errs := []error{
		look(g.coll.Maps[safeclawMapCounted], 0),
		look(counts, placesSmall+placesLarge), // see wait
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.slots {
		if s.place != nil {
			errs = append(errs, look(s.place.outer, s.place.key), look(counts, s.place.number))
		}
	}
	return ids, errors.Join(errs...)
}

// guardObjects names what is loaded to the kernel side. Numbers of the dead stay
// there; the kernel does not give them out again.
func (g *Gate) guardObjects() error {
	o, err := g.Objects()
	if err != nil {
		return err
	}
	for kind, ids := range map[Object][]uint32{ObjectMap: o.Maps, ObjectProgram: o.Programs, ObjectLink: o.Links} {
		for _, id := range ids {
			if err := g.coll.Maps[safeclawMapGuardedIds].Put(safeclawGuardedId{Object: uint32(kind), Id: id}, uint32(1)); err != nil {
				return fmt.Errorf("protect %s %d: %w", kind, id, err)
			}
		}
	}
	return nil
}

// locate makes this process the agent, and returns a directory as the kernel
// side knows it, with those above it in its file system.
func (g *Gate) locate(dir string) ([]safeclawGuardedDir, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("protect: %w", err)
	}
	defer f.Close()
	if err := g.set(safeclawVarGuardDirFd, uint32(f.Fd())); err != nil {
		return nil, err
	}
	b, err := runIterator(g.coll.Programs[safeclawProgFindGuarded])
	if err != nil {
		return nil, err
	}
	size := binary.Size(safeclawGuardedDir{})
	out := make([]safeclawGuardedDir, len(b)/size)
	for i := range out {
		if _, err := binary.Decode(b[i*size:], binary.LittleEndian, &out[i]); err != nil {
			return nil, fmt.Errorf("protect %s: %w", dir, err)
		}
	}
	return out, nil
}

// guardDirs replaces the set of directories. What is in both stays protected meanwhile.
func (g *Gate) guardDirs(dirs []string) error {
	m := g.coll.Maps[safeclawMapGuardedDirs]
	const inside, above = uint32(1), uint32(2) // GUARD_INSIDE, GUARD_ABOVE
	want := map[safeclawGuardedDir]uint32{}
	var maskInside, maskAbove uint64
	var pins uint32
	for _, dir := range dirs {
		chain, err := g.locate(dir)
		if err != nil {
			return err
		}
		if len(chain) == 0 {
			return fmt.Errorf("protect %s: the kernel side does not find it", dir)
		}
		for i, d := range chain {
			bit := uint64(1) << (d.Ino & (1<<guardBits - 1))
			if i == 0 {
				want[d] |= inside
				maskInside |= bit
			} else {
				want[d] |= above
				maskAbove |= bit
			}
		}
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil {
			return fmt.Errorf("protect %s: %w", dir, err)
		}
		if fs.Type == unix.BPF_FS_MAGIC {
			pins = chain[0].Dev
		}
	}
	for d, flags := range want {
		if err := m.Put(d, flags); err != nil {
			return fmt.Errorf("protect directory %d: %w", d.Ino, err)
		}
	}
	var have safeclawGuardedDir
	var flags uint32
	var gone []safeclawGuardedDir
	for it := m.Iterate(); it.Next(&have, &flags); {
		if _, ok := want[have]; !ok {
			gone = append(gone, have)
		}
	}
	for _, d := range gone {
		if err := m.Delete(d); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("unprotect directory %d: %w", d.Ino, err)
		}
	}
	return errors.Join(
		g.set(safeclawVarGuardInside, maskInside), g.set(safeclawVarGuardAbove, maskAbove),
		g.set(safeclawVarGuardPins, pins), g.set(safeclawVarGuardDirs, uint32(len(want))),
	)
}

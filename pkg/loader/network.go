package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Limits of bpf/dns_types.h.
const (
	// SearchDomains is how many of a pod's search domains are known to the kernel.
	SearchDomains = 8
	// MaxResolvers bounds the resolvers of one pod.
	MaxResolvers = 16

	searchText = 252 // longest domain, with the dot before it
)

// Network is how the tasks of a bound cgroup find addresses.
type Network struct {
	// Resolvers are the servers that they may ask, on port 53. Without any no
	// name is resolved.
	Resolvers []netip.Addr
	// Search are their search domains. Those beyond SearchDomains count for nothing.
	Search []string
}

// SetNetwork says how the tasks of a bound cgroup resolve names. What they have
// learned stays. It comes before Bind.
func (g *Gate) SetNetwork(cgroup uint64, n Network) error {
	if len(n.Resolvers) > MaxResolvers {
		return fmt.Errorf("%d resolvers: a pod has at most %d", len(n.Resolvers), MaxResolvers)
	}
	var pod safeclawDnsPod
	err := g.coll.Maps[safeclawMapDnsPods].Lookup(cgroup, &pod)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("read network of cgroup %d: %w", cgroup, err)
	}
	if err := setSearch(&pod, n.Search); err != nil {
		return err
	}
	if err := g.coll.Maps[safeclawMapDnsPods].Put(cgroup, pod); err != nil {
		return fmt.Errorf("write network of cgroup %d: %w", cgroup, err)
	}
	for _, a := range n.Resolvers {
		if err := g.coll.Maps[safeclawMapDnsResolvers].Put(resolverKey(cgroup, a), uint32(1)); err != nil {
			return fmt.Errorf("write resolver %v: %w", a, err)
		}
	}
	return g.dropResolvers(cgroup, n.Resolvers)
}

func resolverKey(cgroup uint64, a netip.Addr) safeclawDnsResolver {
	return safeclawDnsResolver{Cgroup: cgroup, Address: a.As16()}
}

// dropResolvers removes those of a cgroup that are not to stay.
func (g *Gate) dropResolvers(cgroup uint64, stay []netip.Addr) error {
	m := g.coll.Maps[safeclawMapDnsResolvers]
	var gone []safeclawDnsResolver
	var k safeclawDnsResolver
	var v uint32
	it := m.Iterate()
	for it.Next(&k, &v) {
		same := func(a netip.Addr) bool { return a.As16() == k.Address }
		if k.Cgroup == cgroup && !slices.ContainsFunc(stay, same) {
			gone = append(gone, k)
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("list resolvers: %w", err)
	}
	for _, k := range gone {
		if err := m.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove resolver: %w", err)
		}
	}
	return nil
}

// setSearch writes domains as the kernel compares them: last byte first, then a dot.
func setSearch(pod *safeclawDnsPod, domains []string) error {
	fresh := safeclawDnsPod{Minute: pod.Minute, Queries: pod.Queries}
	for _, d := range domains {
		d = strings.ToLower(strings.Trim(d, "."))
		if d == "" || fresh.Searches == SearchDomains {
			continue
		}
		b := []byte("." + d)
		if len(b) > searchText {
			return fmt.Errorf("search domain %q is too long", d)
		}
		slices.Reverse(b)
		at := &fresh.Search[fresh.Searches]
		copy(at.Text[:], b)
		at.Len = uint32(len(b))
		fresh.Searches++
	}
	*pod = fresh
	return nil
}

// ForgetNetwork removes what is known of a cgroup's names and resolvers, and
// reads its names no longer. It comes after Unbind.
func (g *Gate) ForgetNetwork(cgroup uint64) error {
	errs := []error{g.dropResolvers(cgroup, nil), g.unreadNames(cgroup)}
	if err := g.coll.Maps[safeclawMapDnsPods].Delete(cgroup); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		errs = append(errs, fmt.Errorf("remove network of cgroup %d: %w", cgroup, err))
	}
	for _, m := range []*ebpf.Map{g.coll.Maps[safeclawMapBound], g.coll.Maps[safeclawMapNames]} {
		errs = append(errs, forgetLearned(m, cgroup))
	}
	return errors.Join(errs...)
}

func forgetLearned(m *ebpf.Map, cgroup uint64) error {
	var gone []safeclawLearnedKey
	var k safeclawLearnedKey
	v := make([]byte, m.ValueSize())
	it := m.Iterate()
	for it.Next(&k, &v) {
		if k.Cgroup == cgroup {
			gone = append(gone, k)
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("list what was learned: %w", err)
	}
	for _, k := range gone {
		if err := m.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forget what was learned: %w", err)
		}
	}
	return nil
}

// NeverBind says which addresses no name is ever bound to, whatever a server
// answers: those of the node itself. They replace what was said before.
func (g *Gate) NeverBind(addrs []netip.Addr) error {
	m := g.coll.Maps[safeclawMapDnsNever]
	var gone [][16]byte
	var k [16]byte
	var v uint32
	it := m.Iterate()
	for it.Next(&k, &v) {
		if !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.As16() == k }) {
			gone = append(gone, k)
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("list the node's addresses: %w", err)
	}
	for _, a := range addrs {
		if err := m.Put(a.As16(), uint32(1)); err != nil {
			return fmt.Errorf("write address %v: %w", a, err)
		}
	}
	for _, k := range gone {
		if err := m.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("remove address: %w", err)
		}
	}
	return nil
}

// namePrograms are attached to cgroups.
var namePrograms = map[string]ebpf.AttachType{
	safeclawProgDnsEgress:  ebpf.AttachCGroupInetEgress,
	safeclawProgDnsIngress: ebpf.AttachCGroupInetIngress,
}

// ReadNames attaches the programs that read queries and answers to a cgroup. Only
// where one of them is at or above a cgroup may it be bound with BindNames. Where
// they are already it does nothing.
func (g *Gate) ReadNames(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("read names of %s: %w", dir, err)
	}
	if len(g.nameLinks[st.Ino]) == len(namePrograms) {
		return nil
	}
	if err := g.readNames(dir, st.Ino, g.gen); err != nil {
		return errors.Join(err, g.unreadNames(st.Ino))
	}
	return nil
}

func (g *Gate) readNames(dir string, id uint64, gen generation) error {
	for program, at := range namePrograms {
		l, err := link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: at, Program: g.coll.Programs[program]})
		if err != nil {
			return fmt.Errorf("attach %s to %s: %w", program, dir, err)
		}
		if gen.dir != "" {
			if err := l.Pin(gen.path(pinLinks, nameLink(program, id))); err != nil {
				return errors.Join(fmt.Errorf("pin link of %s: %w", program, err), l.Close())
			}
		}
		g.keepNames(id, l)
	}
	return nil
}

// keepNames keeps a link to a cgroup with the others.
func (g *Gate) keepNames(id uint64, l link.Link) {
	g.links = append(g.links, l)
	if g.nameLinks == nil {
		g.nameLinks = map[uint64][]link.Link{}
	}
	g.nameLinks[id] = append(g.nameLinks[id], l)
}

func (g *Gate) unreadNames(cgroup uint64) error {
	var errs []error
	for _, l := range g.nameLinks[cgroup] {
		if g.gen.dir != "" {
			errs = append(errs, l.Unpin())
		}
		errs = append(errs, l.Close())
		g.links = slices.DeleteFunc(g.links, func(o link.Link) bool { return o == l })
	}
	delete(g.nameLinks, cgroup)
	return errors.Join(errs...)
}

// nameLink names the pin of a link to a cgroup.
func nameLink(program string, cgroup uint64) string { return fmt.Sprintf("%s-%d", program, cgroup) }

// namedCgroups lists the cgroups to which a set of programs is attached for names.
func (p generation) namedCgroups() ([]uint64, error) {
	found, err := filepath.Glob(p.path(pinLinks, safeclawProgDnsEgress+"-*"))
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var out []uint64
	for _, f := range found {
		id, err := strconv.ParseUint(f[strings.LastIndexByte(f, '-')+1:], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("list links: %s: this is no name of ours", f)
		}
		out = append(out, id)
	}
	return out, nil
}

// adoptNames opens the links to cgroups. That of a cgroup that is gone attaches
// nothing, and its pin is removed.
func (g *Gate) adoptNames(gen generation) error {
	ids, err := gen.namedCgroups()
	if err != nil {
		return err
	}
	for _, id := range ids {
		for program := range namePrograms {
			path := gen.path(pinLinks, nameLink(program, id))
			l, err := link.LoadPinnedLink(path, nil)
			if err != nil {
				return fmt.Errorf("open pinned link of %s: %w", program, err)
			}
			if detached(l) {
				if err := errors.Join(l.Unpin(), l.Close()); err != nil {
					return fmt.Errorf("remove link of %s: %w", program, err)
				}
				continue
			}
			g.keepNames(id, l)
			if err := sameProgram(l, g.coll.Programs[program]); err != nil {
				return fmt.Errorf("pinned link of %s: %w", program, err)
			}
		}
	}
	return nil
}

// detached says whether a link's cgroup is gone.
func detached(l link.Link) bool {
	info, err := l.Info()
	if err != nil {
		return false
	}
	c := info.Cgroup()
	return c != nil && c.CgroupId == 0
}

// takeNames attaches these programs wherever the old ones are, and copies what
// those have learned. It is done again when the old ones are about to go.
func (g *Gate) takeNames(old, part generation) error {
	ids, err := old.namedCgroups()
	if err != nil {
		return err
	}
	for _, id := range ids {
		f, err := openCgroup(id)
		if errors.Is(err, unix.ESTALE) {
			continue // gone
		}
		if err != nil {
			return err
		}
		err = g.readNames(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), id, part)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return g.copyNames(old)
}

// kernfsHandle is the kernel's FILEID_KERNFS: a handle that is a cgroup's id.
const kernfsHandle = 0xfe

func openCgroup(id uint64) (*os.File, error) {
	const mount = "/sys/fs/cgroup"
	at, err := os.Open(mount)
	if err != nil {
		return nil, fmt.Errorf("open cgroup %d: %w", id, err)
	}
	defer at.Close()
	h := unix.NewFileHandle(kernfsHandle, binary.LittleEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(int(at.Fd()), h, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open cgroup %d: %w", id, err)
	}
	return os.NewFile(uintptr(fd), "cgroup"), nil
}

// copyNames copies resolvers, search domains and what was learned. A map that the
// old programs lack, or have in another form, is left out: names are learned anew.
func (g *Gate) copyNames(old generation) error {
	for _, name := range []string{safeclawMapDnsResolvers, safeclawMapDnsPods, safeclawMapDnsNever, safeclawMapNames, safeclawMapBound} {
		from, err := old.openMap(name)
		if errors.Is(err, errDamaged) {
			continue
		}
		if err != nil {
			return err
		}
		to := g.coll.Maps[name]
		if from.KeySize() != to.KeySize() || from.ValueSize() != to.ValueSize() {
			g.log.Warn("what was learned of names is kept in another form now, and learned anew", "map", name)
		} else {
			err = copyMap(from, to)
		}
		if err := errors.Join(err, from.Close()); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	return nil
}

func copyMap(from, to *ebpf.Map) error {
	k, v := make([]byte, from.KeySize()), make([]byte, from.ValueSize())
	it := from.Iterate()
	for it.Next(&k, &v) {
		if err := to.Put(k, v); err != nil {
			return err
		}
	}
	return it.Err()
}

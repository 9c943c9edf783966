// Package loader puts the BPF programs into the kernel, writes policies and
// bindings into their maps, and reads back decisions and counters. It is the
// only package that imports cilium/ebpf.
package loader

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// RingBytes is the default size of the event ring, in bytes.
const RingBytes = 16 << 20

// CountedEntries is how many distinct counted allows one interval can hold.
// Beyond it every allow is recorded on its own.
const CountedEntries = 16384

// Options of Load. The zero value is usable.
type Options struct {
	// HostProc is the /proc directory of a process with the host's root and
	// namespaces. Default: /proc/self.
	HostProc string
	// RingBytes is the size of the event ring, a power of two. Default: RingBytes.
	RingBytes int
	// CountedEntries overrides CountedEntries.
	CountedEntries int
	// AgentLoss is how old the agent's last Beat may be under onAgentLoss: deny.
	// Default: AgentLoss.
	AgentLoss time.Duration
	// PinDir, if set, is the directory of this instance's pins, below PinRoot.
	// What is pinned there is gone on with, or taken over from; what is loaded is
	// pinned, and stays in force when this process ends.
	PinDir string
	// Tables, if set, gives the tables with an id, for an upgrade that finds them
	// in another format; nil where it does not know them.
	Tables func(id uint64) *policy.Tables
	// Protect loads what the method of that name needs.
	Protect bool
	// Build tells builds apart whose programs are the same.
	Build  string
	Logger *slog.Logger

	hideSymbols bool    // as a kernel that shows no symbols
	variant     Variant // not the one that is right for the kernel
}

// Gate is the set of loaded and attached programs. Without pins its links keep the
// programs attached only while the Gate is referenced: call Close, never drop it.
type Gate struct {
	coll    *ebpf.Collection
	variant Variant
	hooks   []hook
	lacks   []string
	links   []link.Link // of hooks, in their order; then those to cgroups
	log     *slog.Logger

	nameLinks map[uint64][]link.Link // by cgroup: see ReadNames

	globals map[string]global // of pinned programs
	how     Start
	gen     generation // in force, if pinned
	prev    *Previous
	lock    *os.File // of the directory of pins

	countedSpec *ebpf.MapSpec
	reader      *ringbuf.Reader

	mu    sync.Mutex
	slots map[uint32]*slot
	last  uint32    // slot to hand out next, if it is free
	idle  *ebpf.Map // see wait
}

// Load loads and attaches every program. On error nothing stays attached.
// A kernel that cannot enforce gives an error that Is ErrNotSupported.
func Load(ctx context.Context, o Options) (*Gate, error) {
	if o.HostProc == "" {
		o.HostProc = "/proc/self"
	}
	if o.RingBytes == 0 {
		o.RingBytes = RingBytes
	}
	if o.CountedEntries == 0 {
		o.CountedEntries = CountedEntries
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := CheckActive(); err != nil {
		return nil, err
	}
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("read the kernel's types: %w", err)
	}
	obj, spec, err := chooseObject(kernel, o.variant)
	if err != nil {
		return nil, err
	}
	chosen, err := chooseHooks(obj.name, spec, kernel)
	if err != nil {
		return nil, err
	}
	if err := setSubflows(spec); err != nil {
		return nil, err
	}
	lacks := lacking(obj.name, chosen)
	if !o.Protect {
		chosen = withoutGuards(spec, chosen)
	}
	g := &Gate{variant: obj.name, hooks: chosen, lacks: lacks, log: o.Logger, slots: map[uint32]*slot{}, countedSpec: spec.Maps[safeclawMapCounted].InnerMap.Copy()}
	if o.PinDir != "" {
		err = g.open(ctx, obj, spec, o)
	} else {
		err = g.load(ctx, obj, spec, o, nil)
	}
	if err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// load loads and attaches the programs. key, if not nil, is the key of the subject hash.
func (g *Gate) load(ctx context.Context, obj object, spec *ebpf.CollectionSpec, o Options, key *[3]uint64) error {
	if err := prepare(obj, spec, o, key); err != nil {
		return err
	}
	g.countedSpec = spec.Maps[safeclawMapCounted].InnerMap.Copy()
	var err error
	if g.coll, err = ebpf.NewCollection(spec); err != nil {
		return loadError(err)
	}
	if err := g.Control().begin(o.AgentLoss, true); err != nil {
		return err
	}
	if err := g.findHostRoot(o.HostProc); err != nil {
		return err
	}
	if _, err := g.swapCounted(); err != nil {
		return err
	}
	if err := g.attach(ctx); err != nil {
		return err
	}
	return g.openReaders()
}

// Lacks names the hooks that this kernel does not have and that other hooks
// cover, for the administrator to read. Every other hook is attached, or Load fails.
func (g *Gate) Lacks() []string { return g.lacks }

// Variant says which of the embedded objects is loaded.
func (g *Gate) Variant() Variant { return g.variant }

// prepare sets the constants and sizes of this load.
func prepare(obj object, spec *ebpf.CollectionSpec, o Options, key *[3]uint64) error {
	netns, err := hostNetns(o.HostProc)
	if err != nil {
		return err
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count possible CPUs: %w", err)
	}
	s := safeclawSettings{
		HostNetns:    netns,
		ScratchSlots: uint32(cpus * obj.scratchPerCPU), RingBytes: uint32(o.RingBytes),
	}
	// Hidden symbols cost speed, not safety: see walk_path of bpf/path.h.
	locks, err := kernelSymbols("rename_lock", "mount_lock")
	if err != nil || len(locks) < 2 {
		o.Logger.Warn("kernel symbols are hidden: paths are resolved the slow way", "error", err)
	}
	if !o.hideSymbols {
		s.RenameLock, s.MountLock = locks["rename_lock"], locks["mount_lock"]
	}
	if key == nil {
		key = &[3]uint64{}
		if err := binary.Read(rand.Reader, binary.LittleEndian, key); err != nil {
			return fmt.Errorf("draw hash key: %w", err)
		}
		key[2] |= 1 // odd: the multiplication must not lose bits
	}
	s.HashKey = *key
	if err := spec.Variables[safeclawVarSettings].Set(s); err != nil {
		return fmt.Errorf("set constants: %w", err)
	}
	spec.Maps[safeclawMapScratch].MaxEntries = s.ScratchSlots
	spec.Maps[safeclawMapEvents].MaxEntries = uint32(o.RingBytes)
	spec.Maps[safeclawMapCounted].InnerMap.MaxEntries = uint32(o.CountedEntries)
	return sizeArmed(spec.Maps[safeclawMapArmedTasks])
}

// openReaders opens what this process reads and waits with.
func (g *Gate) openReaders() error {
	var err error
	if g.idle, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: innerMap}); err != nil {
		return fmt.Errorf("create map: %w", err)
	}
	if g.reader, err = ringbuf.NewReader(g.coll.Maps[safeclawMapEvents]); err != nil {
		return fmt.Errorf("open event ring: %w", err)
	}
	return nil
}

func (g *Gate) attach(ctx context.Context) error {
	for _, h := range g.hooks {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := g.coll.Programs[h.program]
		if p == nil {
			return fmt.Errorf("program %s was not loaded", h.program)
		}
		var l link.Link
		var err error
		if h.typ == ebpf.LSM {
			l, err = link.AttachLSM(link.LSMOptions{Program: p})
		} else {
			l, err = link.AttachTracing(link.TracingOptions{Program: p})
		}
		if err != nil {
			return &UnsupportedError{What: "attach " + h.program, Do: "run `node-agent doctor`", Err: err}
		}
		g.links = append(g.links, l)
	}
	return nil
}

// Close detaches every program: enforcement ends. Armed tasks run ungated afterwards.
// Of pinned programs it closes what this process has: enforcement goes on.
func (g *Gate) Close() error {
	err := g.closeKernel()
	if g.prev != nil {
		err = errors.Join(err, g.prev.release())
	}
	if g.lock != nil {
		err = errors.Join(err, g.lock.Close())
		g.lock = nil
	}
	return err
}

// closeKernel closes every object of the kernel that this process has open.
func (g *Gate) closeKernel() error {
	// At once: for each the kernel waits until no task can be in the program,
	// and one wait does for all.
	errs := make([]error, len(g.links))
	var wg sync.WaitGroup
	for i, l := range g.links {
		wg.Go(func() { errs[i] = l.Close() })
	}
	wg.Wait()
	g.links, g.nameLinks = nil, nil
	if g.reader != nil {
		errs = append(errs, g.reader.Close())
		g.reader = nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, s := range g.slots {
		if s.place != nil && s.place.counts != nil {
			errs = append(errs, s.place.counts.Close())
		}
		delete(g.slots, n)
	}
	if g.idle != nil {
		errs = append(errs, g.idle.Close())
		g.idle = nil
	}
	if g.coll != nil {
		for _, m := range g.coll.Maps {
			errs = append(errs, m.Close())
		}
		for _, p := range g.coll.Programs {
			errs = append(errs, p.Close())
		}
		g.coll = nil
	}
	return errors.Join(errs...)
}

// loadError turns a refusal of the kernel into words.
func loadError(err error) error {
	var ve *ebpf.VerifierError
	if errors.As(err, &ve) {
		return &UnsupportedError{
			What: fmt.Sprintf("the kernel's verifier refuses a program: %v", ve),
			Do:   "report this with the output of `uname -r`; this kernel is not supported yet",
			Err:  err,
		}
	}
	return &UnsupportedError{
		What: "the kernel refuses BPF LSM programs",
		Do:   "run as root with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN; hardened kernels may refuse them altogether",
		Err:  err,
	}
}

// LinkFiles returns duplicates of every link's descriptor. Whoever holds them
// keeps the programs attached, also when this process is gone.
func (g *Gate) LinkFiles() ([]*os.File, error) {
	var out []*os.File
	for _, l := range g.links {
		fd, ok := l.(interface{ FD() int })
		if !ok {
			return nil, errors.New("duplicate link: it has no descriptor")
		}
		n, err := unix.FcntlInt(uintptr(fd.FD()), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, fmt.Errorf("duplicate link: %w", err)
		}
		out = append(out, os.NewFile(uintptr(n), "link"))
	}
	return out, nil
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/authensor/safeclaw-node-agent/pkg/audit"
	"github.com/authensor/safeclaw-node-agent/pkg/audit/vfs"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// fakeKernel numbers decisions of a few CPUs as the programs do. It outlives
// the agents that read it.
type fakeKernel struct {
	rnd     *rand.Rand
	stats   []loader.CPUStats
	flying  []*loader.Event // numbered, not in the ring yet
	ring    []*loader.Event
	room    int // of the ring, in events
	counted uint64
	over    bool // no task is left
}

func newFakeKernel(rnd *rand.Rand, cpus int) *fakeKernel {
	k := &fakeKernel{rnd: rnd, room: 30}
	for i := range cpus {
		k.stats = append(k.stats, loader.CPUStats{CPU: i})
	}
	return k
}

// act is a decision: counted, or numbered; a numbered one may be a while on its
// way to the ring.
func (k *fakeKernel) act() {
	s := &k.stats[k.rnd.IntN(len(k.stats))]
	s.Decisions++
	if k.rnd.IntN(4) == 0 {
		s.Counted++
		k.counted++
		return
	}
	s.Seq++
	e := &loader.Event{CPU: uint32(s.CPU), Seq: s.Seq, Verdict: loader.Deny, Hook: "file_open", Subject: fmt.Appendf(nil, "/x/%d", s.Seq)}
	if k.rnd.IntN(10) == 0 {
		k.flying = append(k.flying, e)
		return
	}
	k.emit(e)
}

func (k *fakeKernel) emit(e *loader.Event) {
	if len(k.ring) >= k.room {
		k.stats[e.CPU].Lost++
		return
	}
	k.stats[e.CPU].Emitted++
	k.ring = append(k.ring, e)
}

// land brings what is on its way into the ring.
func (k *fakeKernel) land() {
	for _, e := range k.flying {
		k.emit(e)
	}
	k.flying = nil
}

func (k *fakeKernel) Events(context.Context, func(*loader.Event) error) error {
	return errors.New("the test drains")
}

func (k *fakeKernel) Drain(fn func(*loader.Event) error) error {
	for len(k.ring) > 0 {
		if err := k.one(fn); err != nil {
			return err
		}
	}
	return nil
}

// one consumes a record first: so does the ring's reader.
func (k *fakeKernel) one(fn func(*loader.Event) error) error {
	if len(k.ring) == 0 {
		return nil
	}
	e := k.ring[0]
	k.ring = k.ring[1:]
	return fn(e)
}

func (k *fakeKernel) Stats() ([]loader.CPUStats, error) {
	return append([]loader.CPUStats(nil), k.stats...), nil
}

func (k *fakeKernel) DrainCounted() ([]loader.Counted, error) {
	n := k.counted
	k.counted = 0
	for range k.rnd.IntN(3) { // meanwhile tasks go on
		if k.over {
			break
		}
		k.act()
	}
	if n == 0 {
		return nil, nil
	}
	return []loader.Counted{{Count: n, Hook: "file_open"}}, nil
}

// mortal is a file system whose user dies: after so many bytes nothing that it
// writes gets anywhere, and the write under way is cut.
type mortal struct {
	vfs.OS
	left atomic.Int64
}

var errDead = errors.New("the agent is dead")

func (m *mortal) Append(name string) (vfs.File, error) {
	f, err := m.OS.Append(name)
	return m.file(f, name, err)
}

func (m *mortal) Create(name string) (vfs.File, error) {
	f, err := m.OS.Create(name)
	return m.file(f, name, err)
}

func (m *mortal) file(f vfs.File, name string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &mortalFile{f, m, strings.HasSuffix(name, ".jsonl")}, nil
}

type mortalFile struct {
	vfs.File
	m     *mortal
	spend bool // what is written brings death nearer
}

func (f *mortalFile) Write(b []byte) (int, error) {
	if !f.spend {
		if f.m.left.Load() < 0 {
			return 0, errDead
		}
		return f.File.Write(b)
	}
	left := f.m.left.Add(-int64(len(b)))
	if left >= 0 {
		return f.File.Write(b)
	}
	if n := left + int64(len(b)); n > 0 {
		if _, err := f.File.Write(b[:n]); err != nil {
			return 0, err
		}
	}
	return 0, errDead
}

var _ io.Writer = (*mortalFile)(nil)

// TestContinuity kills agents at every moment of their recording, while the
// kernel goes on. After each death the log has no number that is neither there
// nor declared; when the run is over, every decision is there or declared lost,
// once.
func TestContinuity(t *testing.T) {
	seeds, deaths := uint64(30), uint64(0)
	if testing.Short() {
		seeds = 10
	}
	var declared, seen uint64
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 7))
		k := newFakeKernel(rnd, 3)
		dir := t.TempDir()
		for life := 0; ; life++ {
			over := life == 12
			fs := &mortal{}
			fs.left.Store(int64(1000 + rnd.IntN(60_000)))
			if over {
				fs.left.Store(1 << 40)
			}
			err := live(k, dir, fs, life > 0, over)
			if over {
				if err != nil {
					t.Fatalf("seed %d: the last agent: %v", seed, err)
				}
				break
			}
			deaths++
			checkLog(t, seed, life, dir, audit.ExitProven, audit.ExitIncomplete)
			for range rnd.IntN(40) {
				k.act() // nobody reads
			}
			if rnd.IntN(2) == 0 {
				k.land()
			}
		}
		r := checkLog(t, seed, -1, dir, audit.ExitProven)
		var numbered, counted uint64
		for _, s := range k.stats {
			numbered += s.Seq
			counted += s.Counted
		}
		b := r.Balance
		if b.Open != 0 || b.Repeated != 0 || b.Loads != 1 || b.Seen+b.Counted+b.Declared != numbered+counted {
			t.Fatalf("seed %d: %d numbered, %d counted; %+v", seed, numbered, counted, b)
		}
		declared, seen = declared+b.Declared, seen+b.Seen+b.Counted
	}
	t.Logf("%d deaths: %d decisions recorded, %d declared lost", deaths, seen, declared)
	if declared == 0 || seen < 2*declared {
		t.Errorf("%d decisions recorded and %d lost: that is no test of a death", seen, declared)
	}
}

func checkLog(t *testing.T, seed uint64, life int, dir string, codes ...int) *audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), dir, audit.VerifyOptions{Unanchored: true})
	if errors.Is(err, audit.ErrNoLog) {
		return nil // it died before the log was born
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range codes {
		if r.ExitCode() == c && r.Balance.Unexplained == 0 {
			return r
		}
	}
	t.Fatalf("seed %d, life %d: exit %d, %+v, %+v", seed, life, r.ExitCode(), r.Bad, r.Balance)
	return nil
}

// live is one agent's life: it reads until it dies or the run is over.
func live(k *fakeKernel, dir string, fs *mortal, adopted, over bool) error {
	ctx := context.Background()
	log, err := audit.Open(ctx, dir, audit.Options{FS: fs, QueueRecords: 1000})
	if err != nil {
		return err
	}
	r := recording{kernel: k, log: log, rec: NewRecorder(log)}
	start := &audit.AgentStart{LoadID: "load-1", PID: uint32(os.Getpid())}
	if adopted {
		err = r.adopt(start)
		k.land() // before the first heartbeat too
	} else {
		err = log.Append(start)
	}
	for n := 0; err == nil && n < 400 && (!over || n < 100) && log.Stats().Failing == nil; n++ {
		switch k.rnd.IntN(12) {
		case 0: // as read does: a heartbeat comes when the ring is empty
			if err = k.Drain(r.rec.Event); err == nil {
				err = r.heartbeat()
			}
			for s := log.Stats(); s.Durable < s.Appended && s.Failing == nil; s = log.Stats() {
				time.Sleep(50 * time.Microsecond) // an interval is longer than a sync
			}
			k.land() // an interval is longer than anything is on its way
		case 1:
			err = k.Drain(r.rec.Event)
		case 2, 3, 4, 5:
			err = k.one(r.rec.Event)
		default:
			k.act()
		}
	}
	if !over {
		// The file system dies now at the latest, and with it the agent.
		fs.left.Store(-1)
		return errors.Join(err, log.Close(ctx))
	}
	if err != nil {
		return err
	}
	k.land()
	k.over = true
	stats, err := r.balance(ctx)
	if err != nil {
		return err
	}
	return log.Close(ctx, &audit.AgentStop{Reason: "over", CPUs: auditCounters(stats)})
}

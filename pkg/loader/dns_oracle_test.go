package loader

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/internal/testkit/packets"
)

// dnsOracle runs the kernel's reader of DNS messages on many of them. Its slot
// is mapped here, so that a message takes one system call.
type dnsOracle struct {
	reader *dnsReader
	slot   *ebpf.Memory
	ends   [2][2]netip.AddrPort // the two ends of a query's way, by IP version
}

func newDNSOracle(t testing.TB) *dnsOracle {
	t.Helper()
	o := &dnsOracle{reader: newDNSReaderWith(t, func(s *ebpf.CollectionSpec) { s.Maps[safeclawMapScratch].Flags |= unix.BPF_F_MMAPABLE })}
	var err error
	if o.slot, err = o.reader.coll.Maps[safeclawMapScratch].Memory(); err != nil {
		t.Fatal(err)
	}
	for i, host := range []string{"10.0.0.%d", "[fd00::%d]"} {
		for k := range 2 {
			o.ends[i][k] = netip.MustParseAddrPort(fmt.Sprintf(host+":%d", k+1, []int{40000, 53}[k]))
		}
	}
	return o
}

// read gives a message to a program and returns what it read; ok is false where it refused.
func (o *dnsOracle) read(program string, v6 bool, msg []byte) (told packets.Told, ok bool, err error) {
	ends := o.ends[0]
	if v6 {
		ends = o.ends[1]
	}
	if program == "read_answer" {
		ends[0], ends[1] = ends[1], ends[0]
	}
	got, err := o.reader.coll.Programs[program].Run(&ebpf.RunOptions{Data: packets.Frame(ends[0], ends[1], msg)})
	if err != nil || got != 1 {
		return told, false, err
	}
	var s safeclawScratch
	if _, err := o.slot.ReadAt(unsafe.Slice((*byte)(unsafe.Pointer(&s.Dns)), unsafe.Sizeof(s.Dns)), int64(unsafe.Offsetof(s.Dns))); err != nil {
		return told, false, err
	}
	name := make([]byte, s.Dns.Name)
	if _, err := o.slot.ReadAt(name, int64(unsafe.Offsetof(s.Buf))+pathEnd-int64(len(name))); err != nil {
		return told, false, err
	}
	slices.Reverse(name)
	told = packets.Told{ID: s.Dns.Id, Name: string(wireName(string(name))), Type: s.Dns.Type}
	if program == "read_answer" {
		for _, a := range s.Dns.Address[:s.Dns.Found] {
			told.Addrs = append(told.Addrs, netip.AddrFrom16(a).Unmap())
		}
	}
	return told, true, nil
}

// longestRun is what BPF_PROG_TEST_RUN takes, which has one page for the packet and what belongs to it.
const longestRun = 3300

// agrees holds the kernel against the library and against the rules: it gives
// the same name and the same addresses, or refuses.
func (o *dnsOracle) agrees(t *testing.T, program string, v6 bool, msg packets.Message) (told packets.Told, ok bool) {
	t.Helper()
	if len(msg.Wire) > longestRun {
		return told, false
	}
	told, ok, err := o.read(program, v6, msg.Wire)
	switch {
	case err != nil:
		t.Fatalf("%s: %v\n%x", msg.How, err, msg.Wire)
	case !ok && msg.Plain:
		t.Fatalf("%s refuses a plain message\n%x", program, msg.Wire)
	case !ok:
		return told, false
	}
	library, err := packets.Oracle(msg.Wire)
	if err != nil {
		t.Fatalf("%s: %s takes what the library refuses: %v\n%x", msg.How, program, err, msg.Wire)
	}
	if told.ID != library.ID || told.Name != library.Name || told.Type != library.Type {
		t.Fatalf("%s: %s says %q %d, the library %q %d\n%x", msg.How, program, told.Name, told.Type, library.Name, library.Type, msg.Wire)
	}
	for _, a := range told.Addrs {
		if !slices.Contains(library.Addrs, a) {
			t.Fatalf("%s: address %s is not among the library's %v\n%x", msg.How, a, library.Addrs, msg.Wire)
		}
	}
	rules := packets.Query
	if program == "read_answer" {
		rules = packets.Answer
	}
	want, err := rules(msg.Wire)
	switch {
	case err != nil && program == "read_query":
		t.Fatalf("%s: the kernel takes what the rules refuse: %v\n%x", msg.How, err, msg.Wire)
	case err == nil && !slices.Equal(told.Addrs, want.Addrs[:min(len(want.Addrs), len(safeclawScratch{}.Dns.Address))]):
		t.Fatalf("%s: addresses %v, by the rules %v\n%x", msg.How, told.Addrs, want.Addrs, msg.Wire)
	case msg.Plain && !slices.Equal(told.Addrs, library.Addrs):
		t.Fatalf("a plain message: addresses %v, the library says %v\n%x", told.Addrs, library.Addrs, msg.Wire)
	}
	return told, true
}

// TestDNSOracle: the kernel's reader, the rules and the library agree on
// messages that clients and servers send, and on what was done to them.
func TestDNSOracle(t *testing.T) {
	o := newDNSOracle(t)
	rounds, seed := 200_000, uint64(1)
	if os.Getenv("SAFECLAW_GUEST") == "1" { // here it is this kernel's compiler that is tested, and slow
		rounds = 2000
	}
	for env, v := range map[string]func(uint64){"DNS_MESSAGES": func(n uint64) { rounds = int(n) }, "DNS_SEED": func(n uint64) { seed = n }} {
		if text := os.Getenv(env); text != "" {
			n, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				t.Fatalf("%s: %v", env, err)
			}
			v(n)
		}
	}
	t.Logf("seed %d", seed)
	m := packets.NewMaker(seed)
	var taken, plain [2]int
	addrs := 0
	for i := range rounds {
		program, msg := "read_query", m.Query
		if i%2 == 1 {
			program, msg = "read_answer", m.Answer
		}
		made := msg()
		if made.Plain {
			plain[i%2]++
		}
		if told, ok := o.agrees(t, program, i%4 > 1, made); ok {
			taken[i%2]++
			if len(told.Addrs) > 0 {
				addrs++
			}
		}
	}
	t.Logf("%d messages: %d queries taken, %d of them plain; %d answers, %d plain, %d with addresses; the others refused, none read otherwise",
		rounds, taken[0], plain[0], taken[1], plain[1], addrs)
	if plain[0] < rounds/10 || plain[1] < rounds/15 || taken[1] <= plain[1] || addrs < rounds/20 || taken[0] > rounds/2*9/10 || taken[1] > rounds/2*9/10 {
		t.Error("too few of them are refused, or taken, to say much")
	}
}

func FuzzDNSQuery(f *testing.F)  { fuzzDNS(f, "read_query", (*packets.Maker).Query) }
func FuzzDNSAnswer(f *testing.F) { fuzzDNS(f, "read_answer", (*packets.Maker).Answer) }

func fuzzDNS(f *testing.F, program string, message func(*packets.Maker) packets.Message) {
	o := newDNSOracle(f)
	m := packets.NewMaker(uint64(strings.Count(program, "")))
	for range 200 {
		f.Add(message(m).Wire)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o.agrees(t, program, len(b)%2 == 1, packets.Message{Wire: b, How: "fuzzed"})
	})
}

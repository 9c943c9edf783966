package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

const namesPolicy = `version: 1
audit: {network.request: {allow: count}}
rules:
  - {action: "file.*", path: "/**", decision: allow}
  - {action: process.exec, path: "/**", decision: allow}
  - {action: network.request, host: counted.bench, decision: allow}
  - {action: network.request, host: recorded.bench, decision: audit}
  - {action: network.request, cidr: 127.0.0.0/8, port: 9999, decision: allow}
`

// The addresses that the server gives: they lead nowhere.
var benchNames = map[string][]string{
	"counted.bench":  {"10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4"},
	"recorded.bench": {"10.9.1.1", "10.9.1.2", "10.9.1.3", "10.9.1.4"},
}

const benchResolver = "127.0.0.1"

// TestNames prints what rules by name cost.
func TestNames(t *testing.T) {
	if os.Getenv("SAFECLAW_GUEST") != "1" {
		t.Log("not in a guest: `make bench` measures")
		return
	}
	prepareFiles(t)
	serve(t, benchResolver+":53")
	connects := []operationCase{
		{"connect (UDP) by name, counted", "connect-name", "counted.bench"},
		{"connect (UDP) by name, recorded", "connect-name", "recorded.bench"},
	}
	packets := operationCase{"UDP packet over loopback, with the send", "udp", "9999"}
	none := []int64{}
	for _, o := range connects {
		none = append(none, measured(t, nil, o))
	}
	empty := emptyPackets(t, packets)
	g, err := loader.Load(context.Background(), loader.Options{Protect: true})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	grp := bindNames(t, g)
	fmt.Printf("\nBENCH Names, kernel %s:\nBENCH\nBENCH | operation | no program | gated | gated - none |\nBENCH |---|---|---|---|\n", release(t))
	gated := []int64{}
	for i, o := range connects {
		before := total(t, g)
		gated = append(gated, measured(t, grp, o))
		after := total(t, g)
		// The first one is recorded, so that its subject is named.
		if n := after.Counted - before.Counted; i == 0 && n < rounds-1 {
			t.Errorf("%s: %d of %d connects were counted", o.name, n, rounds)
		}
		if n := after.Emitted - before.Emitted; i == 1 && n < rounds {
			t.Errorf("%s: %d of %d connects were recorded", o.name, n, rounds)
		}
		fmt.Printf("BENCH | %s | %d | %d | %d |\n", o.name, none[i], gated[i], gated[i]-none[i])
	}
	packet := programCosts(t, grp, packets)
	answer := programCosts(t, grp, operationCase{"query and answer", "resolve", "counted.bench"})
	fmt.Printf("BENCH\nBENCH | program | packet | an empty one | more |\nBENCH |---|---|---|---|\n")
	for _, p := range []string{"dns_egress", "dns_ingress"} {
		e := empty["e_"+strings.TrimPrefix(p, "dns_")]
		fmt.Printf("BENCH | %s | UDP, not DNS | %.0f | %.0f | %.0f |\n", p, e, packet[p], packet[p]-e)
	}
	fmt.Printf("BENCH | dns_egress | a query | - | %.0f | - |\nBENCH | dns_ingress | an answer with 4 addresses | - | %.0f | - |\nBENCH\n", answer["dns_egress"], answer["dns_ingress"])
	budget(t, "connect by a name rule, counted", gated[0]-none[0], 2500)
	budget(t, "connect by a name rule, with its record", gated[1]-none[1], 4000)
	budget(t, "a packet that is no DNS, going out, beyond an empty program", int64(packet["dns_egress"]-empty["e_egress"]), 150)
	budget(t, "a packet that is no DNS, coming in, beyond an empty program", int64(packet["dns_ingress"]-empty["e_ingress"]), 150)
	budget(t, "an answer with 4 addresses", int64(answer["dns_ingress"]), 15000)
}

// total is the sum of all CPUs' counters.
func total(t *testing.T, g *loader.Gate) (sum loader.CPUStats) {
	t.Helper()
	cpus, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cpus {
		sum.Counted += c.Counted
		sum.Emitted += c.Emitted
	}
	return sum
}

func bindNames(t *testing.T, g *loader.Gate) *cgroup.Group {
	t.Helper()
	p, err := policy.Parse("names.yaml", []byte(namesPolicy))
	if err != nil {
		t.Fatal(err)
	}
	tables, err := policy.Compile(p, policy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	slot, err := g.InstallPolicy(tables)
	if err != nil {
		t.Fatal(err)
	}
	grp, id := newGroup(t, "bench-names")
	err = errors.Join(g.ReadNames(grp.Dir),
		g.SetNetwork(id, loader.Network{Resolvers: []netip.Addr{netip.MustParseAddr(benchResolver)}}),
		g.Bind(id, loader.BindAny|loader.BindNames, slot))
	if err != nil {
		t.Fatal(err)
	}
	return grp
}

func newGroup(t *testing.T, name string) (*cgroup.Group, uint64) {
	t.Helper()
	mount, err := cgroup.Mount("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	grp, err := cgroup.Make(mount, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = grp.Remove() })
	id, err := grp.ID()
	if err != nil {
		t.Fatal(err)
	}
	return grp, id
}

// emptyPackets is what programs cost that only let packets pass.
func emptyPackets(t *testing.T, o operationCase) map[string]float64 {
	t.Helper()
	grp, _ := newGroup(t, "bench-empty")
	for name, at := range map[string]ebpf.AttachType{"e_egress": ebpf.AttachCGroupInetEgress, "e_ingress": ebpf.AttachCGroupInetIngress} {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: name, Type: ebpf.CGroupSKB, AttachType: at, License: "Dual BSD/GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		l, err := link.AttachCgroup(link.CgroupOptions{Path: grp.Dir, Attach: at, Program: p})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	return programCosts(t, grp, o)
}

// programCosts runs an operation and returns what a call of each program took on
// average, with the kernel's accounting.
func programCosts(t *testing.T, grp *cgroup.Group, o operationCase) map[string]float64 {
	t.Helper()
	run1(t, grp, o) // sets are made, code is compiled
	before := programStats(t)
	stats, err := ebpf.EnableStats(0) // BPF_STATS_RUN_TIME
	if err != nil {
		t.Fatal(err)
	}
	defer stats.Close()
	run1(t, grp, o)
	out := map[string]float64{}
	for name, s := range programStats(t) {
		if n := s.runs - before[name].runs; n > 100 {
			out[name] = float64(s.time-before[name].time) / float64(n)
		}
	}
	return out
}

type programStat struct{ runs, time uint64 }

func programStats(t *testing.T) map[string]programStat {
	t.Helper()
	out := map[string]programStat{}
	for id, err := ebpf.ProgramGetNextID(0); !errors.Is(err, os.ErrNotExist); id, err = ebpf.ProgramGetNextID(id) {
		if err != nil {
			t.Fatal(err)
		}
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.Stats()
		if err != nil {
			t.Fatal(err)
		}
		out[info.Name] = programStat{s.RunCount, uint64(s.Runtime)}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// serve answers queries for benchNames.
func serve(t *testing.T, at string) {
	t.Helper()
	c, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(answerTo(buf[:n]), from)
		}
	}()
}

func answerTo(query []byte) []byte {
	var labels []string
	at := 12
	for ; query[at] != 0; at += 1 + int(query[at]) {
		labels = append(labels, string(query[at+1:at+1+int(query[at])]))
	}
	addrs := benchNames[strings.Join(labels, ".")]
	out := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(addrs)), 0, 0, 0, 0}, query[12:at+5]...)
	for _, a := range addrs {
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4)
		out = append(out, netip.MustParseAddr(a).AsSlice()...)
	}
	return out
}

// nameOperation prepares operations that concern names and packets.
func nameOperation(name, arg string) (func(), error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	switch name {
	case "udp":
		in, err := net.ListenPacket("udp", "127.0.0.1:"+arg)
		if err != nil {
			return nil, err
		}
		buf, one := make([]byte, 64), []byte("x")
		return func() {
			_, _ = unix.Write(fd, one)
			_, _, _ = in.ReadFrom(buf)
		}, unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 9999})
	case "resolve":
		return func() { _ = ask(fd, arg) }, unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 53})
	}
	server := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: 53}
	if err := unix.Connect(fd, server); err != nil {
		return nil, err
	}
	if err := ask(fd, arg); err != nil {
		return nil, fmt.Errorf("resolve %s: %w", arg, err)
	}
	to, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	a := netip.MustParseAddr(benchNames[arg][0]).As4()
	sa := [16]byte{unix.AF_INET, 0, 1, 187, a[0], a[1], a[2], a[3]}
	return func() {
		syscall.RawSyscall(unix.SYS_CONNECT, uintptr(to), uintptr(unsafe.Pointer(&sa[0])), 16)
		runtime.KeepAlive(&sa)
	}, nil
}

// ask sends a query for a name's IPv4 addresses and waits for what comes.
func ask(fd int, name string) error {
	q := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, l := range strings.Split(name, ".") {
		q = append(append(q, byte(len(l))), l...)
	}
	q = append(q, 0)
	q = binary.BigEndian.AppendUint32(q, 1<<16|1)
	if _, err := unix.Write(fd, q); err != nil {
		return err
	}
	_, err := unix.Read(fd, make([]byte, 512))
	return err
}

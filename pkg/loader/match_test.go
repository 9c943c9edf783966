package loader

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// matchPolicies are compared in the BPF matcher and in Go. There is one for each
// encoding in each size class: the third of the list is small and dense, then
// come small and sparse, large and sparse, large and dense.
func matchPolicies() []string {
	var some, many, addresses strings.Builder
	some.WriteString("version: 1\nrules:\n")
	for i := range 600 {
		fmt.Fprintf(&some, "  - {action: file.read, path: {startsWith: /srv/%x/%d}, decision: allow}\n", i*7919, i)
	}
	many.WriteString("version: 1\nrules:\n  - action: file.read\n    decision: allow\n    path:\n      startsWith:\n")
	rng := rand.New(rand.NewPCG(3, 4))
	for range 4000 {
		fmt.Fprintf(&many, "        - /srv/%016x%08x\n", rng.Uint64(), rng.Uint32())
	}
	addresses.WriteString("version: 1\nrules:\n")
	for i := range 2500 {
		fmt.Fprintf(&addresses, "  - {action: network.request, cidr: 10.%d.%d.%d/32, port: 443, decision: allow}\n", i%3, i/3%31, i*13%61)
	}
	return []string{
		"version: 1\n",
		"version: 1\ndefaultAction: allow\nbaseline: none\n",
		`version: 1
rules:
  - {action: file.read, path: "/app/data/**", decision: allow}
  - {action: file.*, path: {endsWith: .pem}, decision: deny}
  - {action: "file.*", path: "/app/**/*.{c,h}", decision: allow}
  - {action: process.exec, path: "/usr/bin/[a-m]*", decision: audit}
  - {action: network.request, host: {endsWith: .example.com}, decision: allow}
  - {action: network.request, cidr: 10.1.0.0/16, port: 400-500, protocol: tcp, decision: allow}
  - {action: network.request, cidr: "fd00:1::/32", decision: deny}
  - {action: network.request, port: 53, decision: allow}
`,
		some.String(),
		many.String(),
		addresses.String(),
	}
}

// TestMatcher holds the BPF matcher against policy.Tables.Match, which the
// property test of pkg/policy holds against the naive evaluator.
func TestMatcher(t *testing.T) {
	coll := newMatcher(t).coll
	rounds := 4000
	switch {
	case os.Getenv("SAFECLAW_LONG") != "":
		rounds = 100_000
	case os.Getenv("SAFECLAW_GUEST") == "1": // here it is this kernel's compiler that is tested, and slow
		rounds = 1000
	}
	rng := rand.New(rand.NewPCG(1, 2))
	done, matched := 0, 0
	encodings := map[string]bool{}
	hashes := map[uint64]string{}
	for i, src := range matchPolicies() {
		p, err := policy.Parse("policy", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		tab, err := policy.Compile(p, policy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		place := uint32(i)
		for k := range policy.Kind(7) {
			encodings[fmt.Sprintf("%s %v", tab.Machine(k).Encoding(), tab.SizeClass() > policy.SmallTable)] = true
		}
		if tab.SizeClass() > policy.SmallTable {
			place += placesSmall
		}
		m := &matcher{coll: coll, place: place}
		if err := m.install(tab); err != nil {
			t.Fatal(err)
		}
		words := strings.FieldsFunc(src+" /etc/passwd /usr/lib/x.so", func(r rune) bool { return strings.ContainsRune(" \n{}\",:", r) })
		for range rounds {
			k := policy.Kind(rng.IntN(7))
			sub := randomSubject(rng, k, words)
			want := tab.Match(k, sub)
			got, err := m.match(k, sub, policy.Classes{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Found != 1 || got.Rule != uint32(want.Rule) || (got.Allow == 1) != want.Allow || got.Flags&2 != flag(want.Matched, 2) || got.Flags&1 != flag(want.Count, 1) {
				t.Fatalf("policy %d, %s %q: kernel %+v, Go %+v", i, k, sub, got, want)
			}
			done++
			if want.Rule != 0 {
				matched++
			}
			if k != policy.KindAddr {
				if other, ok := hashes[got.Hash]; ok && other != string(sub) {
					t.Fatalf("hash %x of both %q and %q", got.Hash, other, sub)
				}
				hashes[got.Hash] = string(sub)
			}
		}
	}
	if len(encodings) != 4 {
		t.Errorf("encodings and size classes: %v", encodings)
	}
	t.Logf("%d comparisons, %d by another rule than the default", done, matched)
	if matched < done/20 {
		t.Errorf("only %d of %d subjects met a rule", matched, done)
	}
}

func flag(on bool, bit uint32) uint32 {
	if on {
		return bit
	}
	return 0
}

// matcher runs the program bpf/test/match.bpf.c.
type matcher struct {
	coll  *ebpf.Collection
	place uint32
	buf   safeclawScratch
}

func (m *matcher) install(tab *policy.Tables) error {
	outer, key := m.coll.Maps["policies_small"], m.place
	if m.place >= placesSmall {
		outer, key = m.coll.Maps["policies_large"], m.place-placesSmall
	}
	inner, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: uint32(tab.SizeClass()), MaxEntries: 1})
	if err != nil {
		return err
	}
	defer inner.Close()
	blob := make([]byte, tab.SizeClass())
	copy(blob, tab.Blob)
	if err := inner.Put(uint32(0), blob); err != nil {
		return err
	}
	return outer.Put(key, inner)
}

const pathEnd = 4096 // PATH_END of bpf/types.h

func (m *matcher) match(k policy.Kind, sub []byte, c policy.Classes) (*matcherMatchRun, error) {
	pos := pathEnd - len(sub)
	for i := range m.buf.Buf[:pos] {
		m.buf.Buf[i] = '/' // what a longer path has left there must not be read
	}
	copy(m.buf.Buf[pos:], sub)
	if err := m.coll.Maps["scratch"].Put(uint32(0), &m.buf); err != nil {
		return nil, err
	}
	run := matcherMatchRun{
		Place: m.place, Pos: uint32(pos), Kind: uint32(k),
		Exe: uint32(c.Exe), Name: uint32(c.Name), Command: uint32(c.Command),
	}
	in := make([]byte, binary.Size(run))
	if _, err := binary.Encode(in, binary.LittleEndian, run); err != nil {
		return nil, err
	}
	ret, err := m.coll.Programs["run_match"].Run(&ebpf.RunOptions{Context: in, ContextOut: in})
	if err != nil {
		return nil, err
	}
	if ret != 0 {
		return nil, fmt.Errorf("run_match returned %d", int32(ret))
	}
	_, err = binary.Decode(in, binary.LittleEndian, &run)
	return &run, err
}

// randomSubject strings words of the policy together, with damage, up to the
// longest path.
func randomSubject(rng *rand.Rand, k policy.Kind, words []string) []byte {
	if k == policy.KindAddr {
		a := netip.AddrFrom4([4]byte{10, byte(rng.IntN(3)), byte(rng.Uint32()), byte(rng.Uint32())})
		if rng.IntN(3) == 0 {
			a = netip.AddrFrom16([16]byte{0xfd, 0, 0, byte(rng.IntN(3)), 15: byte(rng.Uint32())})
		}
		return policy.AddrSubject(rng.IntN(2) == 0, a, []byte{6, 17}[rng.IntN(2)], uint16(rng.IntN(600)))
	}
	var b strings.Builder
	for n := rng.IntN(5); n >= 0; n-- {
		b.WriteString(strings.Trim(words[rng.IntN(len(words))], "*"))
	}
	if rng.IntN(20) == 0 {
		b.WriteString(strings.Repeat("/x", rng.IntN(2000)))
	}
	s := []byte(b.String())
	for n := rng.IntN(4); n > 0 && len(s) > 0; n-- {
		s[rng.IntN(len(s))] = byte(1 + rng.IntN(255))
	}
	s = s[:min(len(s), pathEnd-2)]
	if k == policy.KindHost {
		return policy.HostSubject(string(s[:min(len(s), 253)]))
	}
	return policy.PathSubject(rng.IntN(2) == 0, "/"+strings.TrimPrefix(string(s), "/"))
}

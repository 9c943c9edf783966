package loader

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// forObjects runs a test for each embedded object.
func forObjects(t *testing.T, f func(*testing.T, object, *ebpf.CollectionSpec)) {
	t.Helper()
	for _, o := range objects {
		t.Run(string(o.name), func(t *testing.T) {
			spec, err := o.load()
			if err != nil {
				t.Fatal(err)
			}
			f(t, o, spec)
		})
	}
}

// leaf is a scalar of a structure, with where it stands.
type leaf struct {
	Name         string
	Offset, Size uint32
}

func fieldName(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

// cLeaves flattens a C type into its scalars.
func cLeaves(t *testing.T, typ btf.Type, name string, off uint32) []leaf {
	t.Helper()
	switch v := btf.UnderlyingType(typ).(type) {
	case *btf.Struct:
		var out []leaf
		for _, m := range v.Members {
			if m.BitfieldSize != 0 || m.Offset%8 != 0 {
				t.Errorf("%s.%s is a bit field", v.Name, m.Name)
			}
			out = append(out, cLeaves(t, m.Type, name+"."+fieldName(m.Name), off+m.Offset.Bytes())...)
		}
		return out
	case *btf.Array:
		size, err := btf.Sizeof(v.Type)
		if err != nil {
			t.Fatal(err)
		}
		var out []leaf
		for i := range v.Nelems {
			out = append(out, cLeaves(t, v.Type, name, off+i*uint32(size))...)
		}
		return out
	default:
		size, err := btf.Sizeof(v)
		if err != nil {
			t.Fatal(err)
		}
		return []leaf{{name, off, uint32(size)}}
	}
}

// goLeaves does the same with bpf2go's type.
func goLeaves(typ reflect.Type, name string, off uint32) []leaf {
	switch typ.Kind() {
	case reflect.Struct:
		var out []leaf
		for f := range typ.Fields() {
			if f.Type.Size() > 0 {
				out = append(out, goLeaves(f.Type, name+"."+fieldName(f.Name), off+uint32(f.Offset))...)
			}
		}
		return out
	case reflect.Array:
		var out []leaf
		for i := range typ.Len() {
			out = append(out, goLeaves(typ.Elem(), name, off+uint32(i)*uint32(typ.Elem().Size()))...)
		}
		return out
	}
	return []leaf{{name, off, uint32(typ.Size())}}
}

// TestLayout: what the kernel side and Go share has one layout, without holes:
// the object's own BTF says how its compiler laid it out.
func TestLayout(t *testing.T) {
	forObjects(t, testLayout)
}

func testLayout(t *testing.T, _ object, spec *ebpf.CollectionSpec) {
	for _, tt := range []struct {
		name string
		goes any
		size int // where a document or the kernel side fixes it
	}{
		{"event", safeclawEvent{}, eventHeadLen},
		{"armed_task", safeclawArmedTask{}, 0},
		{"binding", safeclawBinding{}, 0},
		{"cpu_stats", safeclawCpuStats{}, 0},
		{"counted_key", safeclawCountedKey{}, 32},
		{"counted_value", safeclawCountedValue{}, 32},
		{"table_header", safeclawTableHeader{}, 640},
		{"verdict_row", safeclawVerdictRow{}, 16},
		{"settings", safeclawSettings{}, 0},
		{"scratch", safeclawScratch{}, 0},
		{"command", safeclawCommand{}, 0},
		{"words", safeclawWords{}, 0},
		{"control", safeclawControl{}, 0},
		{"disabled", safeclawDisabled{}, 0},
		{"off_switch", safeclawOffSwitch{}, 0},
		{"guarded_id", safeclawGuardedId{}, 0},
		{"guarded_dir", safeclawGuardedDir{}, 0},
		{"guard_rate", safeclawGuardRate{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c *btf.Struct
			if err := spec.Types.TypeByName(tt.name, &c); err != nil {
				t.Fatal(err)
			}
			typ := reflect.TypeOf(tt.goes)
			if uint32(typ.Size()) != c.Size || tt.size != 0 && int(c.Size) != tt.size {
				t.Errorf("%d bytes in C, %d in Go, want %d", c.Size, typ.Size(), tt.size)
			}
			cs := cLeaves(t, c, "", 0)
			sort.SliceStable(cs, func(i, j int) bool { return cs[i].Offset < cs[j].Offset })
			next := uint32(0)
			for _, l := range cs {
				if l.Offset != next {
					t.Errorf("a hole of %d bytes before %s at %d", int(l.Offset)-int(next), l.Name, l.Offset)
				}
				if l.Offset%l.Size != 0 {
					t.Errorf("%s at %d is not aligned", l.Name, l.Offset)
				}
				next = l.Offset + l.Size
			}
			if next != c.Size {
				t.Errorf("a hole of %d bytes at the end", c.Size-next)
			}
			if d := cmp.Diff(cs, goLeaves(typ, "", 0)); d != "" {
				t.Errorf("C and Go differ (-C +Go):\n%s", d)
			}
		})
	}
	if n := reflect.TypeFor[safeclawArmedTask]().Size(); n > 64 {
		t.Errorf("an armed task's record has %d bytes, more than 64", n)
	}
}

// enum is a C enumeration's names and values.
func enum(t *testing.T, spec *ebpf.CollectionSpec, name string) map[string]uint64 {
	t.Helper()
	var e *btf.Enum
	if err := spec.Types.TypeByName(name, &e); err != nil {
		t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, v := range e.Values {
		out[v.Name] = v.Value
	}
	return out
}

// TestNumbers: numbers that C and Go write down separately are the same.
func TestNumbers(t *testing.T) {
	forObjects(t, testNumbers)
}

func testNumbers(t *testing.T, obj object, spec *ebpf.CollectionSpec) {
	tb := compile(t, "version: 1\nrules: []\n")

	// Rule numbers are the policy's: RULE_NO_POLICY is builtin/no-policy.
	rules := enum(t, spec, "rule")
	if n := len(rules); tb.Rules[n].Name != fmt.Sprintf("builtin/reserved-%d", n) {
		t.Errorf("%d built-in rules, and the policy has another one: %s", n, tb.Rules[n].Name)
	}
	for name, n := range rules {
		want := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "RULE_")), "_", "-")
		if n >= uint64(len(tb.Rules)) || strings.ReplaceAll(strings.TrimPrefix(tb.Rules[n].Name, "builtin/"), "_", "-") != want {
			t.Errorf("%s is %d, which the policy calls %s", name, n, tb.Rules[n].Name)
		}
	}
	// A relaxation is a bit of the policy's, and its rule has its name; kinds of sockets share one.
	sockets := []string{"raw_sockets", "packet_sockets", "vsock", "af_alg", "netlink", "sctp"}
	relax := enum(t, spec, "relax")
	if len(relax) != len(policy.BuiltinNames()) {
		t.Errorf("%d relaxations, and policies have %d", len(relax), len(policy.BuiltinNames()))
	}
	for name, n := range relax {
		want := policy.BuiltinNames()[n]
		_, own := rules["RULE_"+strings.ToUpper(want)]
		if name != "RELAX_"+strings.ToUpper(want) || own == slices.Contains(sockets, want) {
			t.Errorf("%s is bit %d, which the policy calls %s", name, n, want)
		}
	}
	kinds := enum(t, spec, "kind")
	if n := kinds["KIND_SYSTEM"]; n != uint64(policy.KindSystem) {
		t.Errorf("KIND_SYSTEM is %d", n)
	}
	for k := policy.KindRead; k <= policy.KindName; k++ {
		if n, ok := kinds["KIND_"+strings.ToUpper(k.String())]; !ok || n != uint64(k) {
			t.Errorf("kind %s is %d in Go, %d in C", k, k, n)
		}
	}
	if n := kinds["KINDS"]; n != 16 {
		t.Errorf("KINDS is %d", n)
	}
	// Each hook and class that an event can carry has a name.
	for name, n := range enum(t, spec, "hook") {
		if hookNames[safeclawHook(n)] == "" && name != "HOOK_NONE" {
			t.Errorf("hook %s has no name", name)
		}
	}
	for name, n := range enum(t, spec, "class") {
		want := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "CLASS_")), "_", "-")
		if got := classNames[safeclawClass(n)]; got != want && name != "CLASS_NONE" && name != "CLASS_INTERNAL" {
			t.Errorf("class %s is called %q", name, got)
		}
	}

	m := spec.Maps
	small, large := m[safeclawMapPoliciesSmall], m[safeclawMapPoliciesLarge]
	if small.MaxEntries != placesSmall || large.MaxEntries != placesLarge || m[safeclawMapRuleCounts].MaxEntries != placesSmall+placesLarge+1 {
		t.Errorf("places: %d small, %d large, %d with counters; Go has %d and %d",
			small.MaxEntries, large.MaxEntries, m[safeclawMapRuleCounts].MaxEntries, placesSmall, placesLarge)
	}
	if n := m[safeclawMapPlaces].MaxEntries; n != slots {
		t.Errorf("%d slots, Go has %d", n, slots)
	}
	if small.InnerMap.ValueSize != policy.SmallTable || large.InnerMap.ValueSize != policy.LargeTable {
		t.Errorf("tables of %d and %d bytes", small.InnerMap.ValueSize, large.InnerMap.ValueSize)
	}
	if n := m[safeclawMapScratch].MaxEntries; int(n) != obj.scratchPerCPU {
		t.Errorf("SCRATCH_PER_CPU is %d, Go has %d", n, obj.scratchPerCPU)
	}
	if cells := m[plainMapMaybeArmed]; obj.name == VariantPlain && cells.MaxEntries != 1<<armedBits {
		t.Errorf("%d counters of armed tasks, Go has %d bits", cells.MaxEntries, armedBits)
	}
	c := m[safeclawMapCounted].InnerMap
	if c.KeySize != 32 || c.ValueSize != 32 || c.MaxEntries != CountedEntries {
		t.Errorf("counted allows: key %d, value %d, %d entries", c.KeySize, c.ValueSize, c.MaxEntries)
	}
	if m[safeclawMapEvents].MaxEntries != RingBytes {
		t.Errorf("ring of %d bytes", m[safeclawMapEvents].MaxEntries)
	}
	if f := m[safeclawMapRuleCounts].InnerMap.Flags; f != innerMap {
		t.Errorf("flags of rule counters %#x", f)
	}
}

// TestPrograms: every program of the object is one that Load attaches or an
// iterator. One in neither place would be loaded and never run.
func TestPrograms(t *testing.T) {
	forObjects(t, testPrograms)
}

func testPrograms(t *testing.T, obj object, spec *ebpf.CollectionSpec) {
	iterators := map[string]bool{
		safeclawProgArmExisting: true, safeclawProgListArmed: true, safeclawProgFindHostRoot: true, safeclawProgFindGuarded: true,
		safeclawProgExportArmed: true, safeclawProgImportArmed: true, safeclawProgDisarm: true,
		safeclawProgCutTcp: true, safeclawProgCutUdp: true,
		safeclawProgDnsEgress: true, safeclawProgDnsIngress: true, // attached to cgroups: namePrograms
	}
	types := map[string]ebpf.ProgramType{}
	for _, h := range hooks {
		if h.only == "" || h.only == obj.name {
			types[h.program] = h.typ
		}
	}
	for name, p := range spec.Programs {
		typ, hook := types[name]
		switch {
		case hook == iterators[name]:
			t.Errorf("program %s (%s): must be in hooks or be the iterator, and not both", name, p.SectionName)
		case hook && p.Type != typ:
			t.Errorf("program %s is a %v, attached as %v", name, p.Type, typ)
		case hook && typ == ebpf.LSM && name != safeclawProgGateBprmCommitted && !strings.HasPrefix(p.SectionName, "lsm/"):
			t.Errorf("program %s: section %s may sleep or is of another kind", name, p.SectionName)
		case name == safeclawProgGateBprmCommitted && p.SectionName != "lsm.s/bprm_committed_creds":
			t.Errorf("program %s: section %s cannot read the arguments", name, p.SectionName)
		}
		if p.License != "Dual BSD/GPL" {
			t.Errorf("program %s has licence %q", name, p.License)
		}
	}
	for name := range types {
		if spec.Programs[name] == nil {
			t.Errorf("hook %s is not in the object", name)
		}
	}
	short := map[string]string{"gate_bprm_check": "bprm_check_security", "gate_bprm_committed": "bprm_committed_creds", "gate_bprm_creds": "bprm_creds_for_exec",
		"gate_bprm_committing": "bprm_committing_creds",
		"gate_inode_setattr2":  "inode_setattr", "guard_inode_setattr2": "inode_setattr"}
	for name, typ := range types {
		want := short[name]
		if want == "" {
			want = strings.TrimPrefix(strings.TrimPrefix(name, "gate_"), "guard_")
		}
		if p := spec.Programs[name]; typ == ebpf.LSM && (p == nil || p.AttachTo != want) {
			t.Errorf("program %s is not on hook %s", name, want)
		}
	}
}

// TestPrepare: the constants are those of this machine.
func TestPrepare(t *testing.T) {
	forObjects(t, testPrepare)
}

func testPrepare(t *testing.T, obj object, spec *ebpf.CollectionSpec) {
	o := Options{HostProc: "/proc/self", RingBytes: 1 << 14, CountedEntries: 7, Logger: slog.New(slog.DiscardHandler)}
	if err := prepare(obj, spec, o, nil); err != nil {
		t.Fatal(err)
	}
	if spec.Maps[safeclawMapEvents].MaxEntries != 1<<14 || spec.Maps[safeclawMapCounted].InnerMap.MaxEntries != 7 {
		t.Errorf("sizes of maps: %d, %d", spec.Maps[safeclawMapEvents].MaxEntries, spec.Maps[safeclawMapCounted].InnerMap.MaxEntries)
	}
	var s safeclawSettings
	if err := spec.Variables[safeclawVarSettings].Get(&s); err != nil {
		t.Fatal(err)
	}
	netns, err := hostNetns("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	cpus := ebpf.MustPossibleCPU()
	if s.HostNetns != netns || s.RingBytes != 1<<14 ||
		s.ScratchSlots != uint32(cpus*obj.scratchPerCPU) || spec.Maps[safeclawMapScratch].MaxEntries != s.ScratchSlots {
		t.Errorf("settings %+v; host's network namespace %d", s, netns)
	}
	again, err := obj.load()
	if err != nil {
		t.Fatal(err)
	}
	if err := prepare(obj, again, o, nil); err != nil {
		t.Fatal(err)
	}
	var s2 safeclawSettings
	if err := again.Variables[safeclawVarSettings].Get(&s2); err != nil {
		t.Fatal(err)
	}
	if s.HashKey == s2.HashKey || s.HashKey[2]&1 != 1 || s2.HashKey[2]&1 != 1 {
		t.Errorf("hash keys %x and %x: they are drawn anew, and the multiplier is odd", s.HashKey, s2.HashKey)
	}
}

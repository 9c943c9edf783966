package loader

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Variant names one of the two objects built from the same C sources: see
// bpf/kfuncs.h.
type Variant string

const (
	// VariantKfuncs is for kernels that offer what the programs use (6.10 and later).
	VariantKfuncs Variant = "kfuncs"
	// VariantPlain uses nothing that 6.1 lacks.
	VariantPlain Variant = "plain"
)

// object is an embedded object.
type object struct {
	name Variant
	load func() (*ebpf.CollectionSpec, error)
	// bytes is the object's file.
	bytes []byte
	// scratchPerCPU is SCRATCH_PER_CPU of bpf/types.h.
	scratchPerCPU int
}

// The first one whose functions the kernel has is loaded.
var objects = []object{
	{VariantKfuncs, loadSafeclaw, _SafeclawBytes, 8},
	{VariantPlain, loadPlain, _PlainBytes, 32},
}

// chooseObject takes the first object that finds every function it calls in the
// running kernel, or the one that is wanted. Version numbers would not do:
// distributions backport.
func chooseObject(kernel kernelTypes, want Variant) (object, *ebpf.CollectionSpec, error) {
	var missing []string
	for _, o := range objects {
		if want != "" && o.name != want {
			continue
		}
		spec, err := o.load()
		if err != nil {
			return object{}, nil, fmt.Errorf("read embedded programs: %w", err)
		}
		if missing, err = lacks(kernel, kfuncs(spec)); err != nil {
			return object{}, nil, err
		}
		if len(missing) == 0 {
			return o, spec, nil
		}
	}
	return object{}, nil, &UnsupportedError{What: "the kernel has no function " + strings.Join(missing, ", "),
		Do: "use a kernel from 6.1 on", Err: errors.ErrUnsupported}
}

// kfuncs are the kernel's functions that programs call without the kernel's
// promise to keep them.
func kfuncs(spec *ebpf.CollectionSpec) []string {
	names := map[string]bool{}
	for _, p := range spec.Programs {
		for _, ins := range p.Instructions {
			if ins.OpCode.JumpOp() == asm.Call && ins.Src == asm.PseudoKfuncCall {
				names[ins.Reference()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func lacks(kernel kernelTypes, names []string) ([]string, error) {
	var missing []string
	for _, n := range names {
		var f *btf.Func
		err := kernel.TypeByName(n, &f)
		if err != nil && !errors.Is(err, btf.ErrNotFound) {
			return nil, fmt.Errorf("look up function %s: %w", n, err)
		}
		if err != nil {
			missing = append(missing, n)
		}
	}
	return missing, nil
}

// armedMax bounds the memory of armed records where they are in a hash.
const armedMax = 1 << 18

// sizeArmed makes room for a record of each thread that the kernel allows,
// where they are not part of the task.
func sizeArmed(m *ebpf.MapSpec) error {
	if m.Type != ebpf.Hash {
		return nil
	}
	const file = "/proc/sys/kernel/threads-max"
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the limit of threads: %w", err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 32)
	if err != nil {
		return fmt.Errorf("read the limit of threads: %s: %w", file, err)
	}
	m.MaxEntries = min(max(uint32(n), 1), armedMax)
	return nil
}

package loader

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// kernelWithout is a kernel that has every hook but some, all of three arguments.
type kernelWithout []string

func (k kernelWithout) TypeByName(name string, typ any) error {
	if slices.Contains(k, name) {
		return btf.ErrNotFound
	}
	switch typ := typ.(type) {
	case **btf.Func:
		*typ = &btf.Func{Name: name, Type: &btf.FuncProto{Params: make([]btf.FuncParam, 3)}}
	case **btf.Struct:
		*typ = &btf.Struct{Name: name, Members: []btf.Member{{Name: "is_check"}, {Name: "first"}}}
	}
	return nil
}

// TestMissingHook: a kernel without a hook is refused by the hook's name, unless
// the hook is newer than that kernel and others cover what it sees; these are named.
func TestMissingHook(t *testing.T) {
	spec, err := loadSafeclaw()
	if err != nil {
		t.Fatal(err)
	}
	refused, covered := 0, 0
	for _, h := range hooks {
		if h.only != "" && h.only != VariantKfuncs || h.arguments == 2 {
			continue
		}
		s := spec.Copy()
		f := attachFunction(s.Programs[h.program])
		if f == "" {
			continue
		}
		to := s.Programs[h.program].AttachTo
		chosen, err := chooseHooks(VariantKfuncs, s, kernelWithout{f})
		if h.option != "" {
			if err != nil || slices.Contains(chosen, h) || s.Programs[h.program] != nil || len(lacking(VariantKfuncs, chosen)) > 0 {
				t.Errorf("without %s, for which there is then nothing to do: %v", to, err)
			}
			continue
		}
		if h.since == "" {
			refused++
			if !errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), to) {
				t.Errorf("without %s: %v", to, err)
			}
			continue
		}
		covered++
		if err != nil || slices.Contains(chosen, h) || s.Programs[h.program] != nil {
			t.Errorf("without %s: it is loaded all the same, %v", to, err)
		}
		if l := lacking(VariantKfuncs, chosen); len(l) != 1 || !strings.Contains(l[0], h.since) {
			t.Errorf("without %s: said to lack %v", to, l)
		}
	}
	if refused < 30 || covered < 5 {
		t.Errorf("%d hooks refused, %d covered", refused, covered)
	}
}

// TestMissingProgram: a program that is not in the object, which a library may
// have dropped without an error, is an error.
func TestMissingProgram(t *testing.T) {
	spec, err := loadSafeclaw()
	if err != nil {
		t.Fatal(err)
	}
	for name := range spec.Programs {
		if !slices.ContainsFunc(hooks, func(h hook) bool { return h.program == name && h.only == "" }) {
			continue
		}
		s := spec.Copy()
		delete(s.Programs, name)
		if _, err := chooseHooks(VariantKfuncs, s, kernelWithout{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// TestOtherArguments: a hook that takes other arguments than any variant of its
// program knows is no hook that can be judged.
func TestOtherArguments(t *testing.T) {
	spec, err := loadSafeclaw()
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := chooseHooks(VariantKfuncs, spec.Copy(), kernelWithout{})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range chosen {
		if h.arguments == 2 {
			t.Errorf("%s is for two arguments", h.program)
		}
	}
	if _, err := chooseHooks(VariantKfuncs, spec.Copy(), oneArgument{}); !errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), "inode_setattr") {
		t.Errorf("inode_setattr of one argument: %v", err)
	}
}

// oneArgument is a kernel whose hooks all take one.
type oneArgument struct{}

func (oneArgument) TypeByName(name string, typ any) error {
	if err := (kernelWithout{}).TypeByName(name, typ); err != nil {
		return err
	}
	if f, ok := typ.(**btf.Func); ok {
		(*f).Type = &btf.FuncProto{Params: make([]btf.FuncParam, 1)}
	}
	return nil
}

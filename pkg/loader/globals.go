package loader

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// global is a variable of the loaded programs.
type global interface {
	Get(out any) error
	Set(in any) error
}

// variable finds a global variable, of programs loaded here or of pinned ones.
func (g *Gate) variable(name string) (global, error) {
	if v := g.coll.Variables[name]; v != nil {
		return v, nil
	}
	if v := g.globals[name]; v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("the programs have no variable %s", name)
}

// pinnedVariable is one in the memory of a pinned map.
type pinnedVariable struct {
	memory *ebpf.Memory
	spec   *ebpf.VariableSpec
}

func (v *pinnedVariable) Get(out any) error {
	s := v.spec.Copy()
	s.Value = make([]byte, s.Size())
	if _, err := v.memory.ReadAt(s.Value, int64(s.Offset)); err != nil {
		return fmt.Errorf("read variable %s: %w", s.Name, err)
	}
	return s.Get(out)
}

func (v *pinnedVariable) Set(in any) error {
	s := v.spec.Copy()
	if err := s.Set(in); err != nil {
		return err
	}
	if _, err := v.memory.WriteAt(s.Value, int64(s.Offset)); err != nil {
		return fmt.Errorf("write variable %s: %w", s.Name, err)
	}
	return nil
}

// openGlobals maps the variables of pinned programs into memory.
func (g *Gate) openGlobals(spec *ebpf.CollectionSpec) error {
	memories := map[string]*ebpf.Memory{}
	g.globals = map[string]global{}
	for name, v := range spec.Variables {
		if v.Constant() {
			continue
		}
		mm := memories[v.SectionName]
		if mm == nil {
			m := g.coll.Maps[v.SectionName]
			if m == nil {
				return fmt.Errorf("variable %s: the programs have no map %s", name, v.SectionName)
			}
			var err error
			if mm, err = m.Memory(); err != nil {
				return fmt.Errorf("map variables %s: %w", v.SectionName, err)
			}
			memories[v.SectionName] = mm
		}
		g.globals[name] = &pinnedVariable{mm, v}
	}
	return nil
}

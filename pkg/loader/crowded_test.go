package loader

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// TestCrowdedHook: a hook that other programs have filled (38 is what one has room
// for, BPF_MAX_TRAMP_LINKS of include/linux/bpf.h) is an error by its name. What
// was attached before it is detached.
func TestCrowdedHook(t *testing.T) {
	needGuest(t)
	const hook = "path_chroot"
	// The same program again is refused, so each is another.
	for n := range 64 {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "crowd", Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: hook, License: "Dual BSD/GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R1, int32(n)), asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err != nil {
			t.Fatal(err)
		}
		l, err := link.AttachLSM(link.LSMOptions{Program: p})
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Logf("%d programs fit, then: %v", n, err)
			break
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	g, err := Load(t.Context(), Options{})
	if err == nil {
		closeGate(t, g)
		t.Fatal("loaded")
	}
	if !errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), hook) {
		t.Errorf("the error does not name the hook: %v", err)
	}
	var id ebpf.ProgramID
	for {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			break
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // gone meanwhile
		}
		info, err := p.Info()
		if err == nil && strings.HasPrefix(info.Name, "gate_") && plain.gate == nil {
			t.Errorf("%s is still loaded", info.Name)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

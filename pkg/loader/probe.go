package loader

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

const lsmFile = "/sys/kernel/security/lsm"

// ActiveLSMs returns the kernel's list of active security modules. It mounts
// nothing: where securityfs is missing, it says so.
func ActiveLSMs() ([]string, error) {
	b, err := os.ReadFile(lsmFile)
	if err != nil {
		return nil, fmt.Errorf("read active security modules: %w", err)
	}
	return strings.Split(strings.TrimSpace(string(b)), ","), nil
}

// CheckActive refuses kernels whose BPF LSM is compiled in but not active:
// programs would load and attach there, and never run.
func CheckActive() error {
	lsms, err := ActiveLSMs()
	if err != nil {
		return &UnsupportedError{What: "the list of active security modules cannot be read",
			Do: "mount -t securityfs securityfs /sys/kernel/security, and run as root", Err: err}
	}
	if !slices.Contains(lsms, "bpf") {
		return &UnsupportedError{What: "BPF LSM is not active (active: " + strings.Join(lsms, ",") + ")",
			Do: "boot with lsm=" + strings.Join(append(lsms, "bpf"), ",") + " on the kernel command line"}
	}
	return nil
}

// CheckBTF says whether the kernel describes its own types.
func CheckBTF() error {
	if _, err := btf.LoadKernelSpec(); err != nil {
		return &UnsupportedError{What: "the kernel has no BTF", Do: "use a kernel built with CONFIG_DEBUG_INFO_BTF=y", Err: err}
	}
	return nil
}

// ProbeDeny loads a small LSM program, attaches it and sees it refuse this
// thread, and nobody else, the opening of a file. Nothing is left of it.
func ProbeDeny() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var ns syscall.Stat_t
	if err := syscall.Stat("/proc/self/ns/pid", &ns); err != nil {
		return fmt.Errorf("find own PID namespace: %w", err)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "safeclaw_probe", Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: "file_open", License: "Dual BSD/GPL",
		Instructions: asm.Instructions{
			// struct bpf_pidns_info { u32 pid, tgid; } as this namespace counts.
			asm.Mov.Imm(asm.R1, 0),
			asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
			asm.LoadImm(asm.R1, int64(ns.Dev), asm.DWord),
			asm.LoadImm(asm.R2, int64(ns.Ino), asm.DWord),
			asm.Mov.Reg(asm.R3, asm.RFP),
			asm.Add.Imm(asm.R3, -8),
			asm.Mov.Imm(asm.R4, 8),
			asm.FnGetNsCurrentPidTgid.Call(),
			asm.JNE.Imm(asm.R0, 0, "allow"),
			asm.LoadMem(asm.R1, asm.RFP, -8, asm.Word),
			asm.JNE.Imm(asm.R1, int32(syscall.Gettid()), "allow"),
			asm.Mov.Imm(asm.R0, -int32(syscall.EACCES)),
			asm.Return(),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("allow"),
			asm.Return(),
		},
	})
	if err != nil {
		return loadError(err)
	}
	defer p.Close()
	l, err := link.AttachLSM(link.LSMOptions{Program: p})
	if err != nil {
		return loadError(err)
	}
	fd, got := syscall.Open("/proc/self/status", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if got == nil {
		_ = syscall.Close(fd)
	}
	if err := l.Close(); err != nil {
		return fmt.Errorf("detach probe: %w", err)
	}
	if !errors.Is(got, syscall.EACCES) {
		return &UnsupportedError{What: fmt.Sprintf("an attached LSM program did not deny (open gave %v)", got),
			Do: "check that bpf is in " + lsmFile + " and that no other module is at fault"}
	}
	return nil
}

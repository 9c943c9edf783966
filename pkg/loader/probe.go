package loader

import (
	"errors"
	"fmt"
	"os"
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

// ProbeDeny loads a small LSM program, attaches it and sees it refuse an mkdir
// to this thread while it sits in the cgroup named by dir and id, which the
// caller made for this. enter moves the calling thread there, leave back.
func ProbeDeny(cgroup uint64, enter, leave func() error) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "safeclaw_probe", Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: "inode_mkdir", License: "Dual BSD/GPL",
		Instructions: asm.Instructions{
			asm.FnGetCurrentCgroupId.Call(),
			asm.LoadImm(asm.R1, int64(cgroup), asm.DWord),
			asm.JNE.Reg(asm.R0, asm.R1, "allow"),
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
	defer l.Close()
	dir, err := os.MkdirTemp("", "safeclaw-probe-")
	if err != nil {
		return fmt.Errorf("make probe directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := enter(); err != nil {
		return fmt.Errorf("enter probe cgroup: %w", err)
	}
	mkErr := os.Mkdir(dir+"/denied", 0o700)
	if err := leave(); err != nil {
		return fmt.Errorf("leave probe cgroup: %w", err)
	}
	if !errors.Is(mkErr, syscall.EACCES) {
		return &UnsupportedError{What: fmt.Sprintf("an attached LSM program did not deny (mkdir gave %v)", mkErr),
			Do: "check that bpf is in " + lsmFile + " and that no other module is at fault"}
	}
	return nil
}

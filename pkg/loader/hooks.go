package loader

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// hook is a program that must be attached.
type hook struct {
	program string
	typ     ebpf.ProgramType
	// since is the kernel version from which on there is such a hook; before it
	// another hook covers the act. Empty: without it nothing is enforced.
	since string
	// option, if not empty, is the kernel's configuration without which it has
	// neither the hook nor what it is for.
	option string
	// arguments, if not 0, is how many the kernel's hook takes where this
	// variant of the program is the right one.
	arguments int
	// only, if not empty, is the variant that has such a program.
	only Variant
	// field, if set, is a structure and a field of it without which the kernel
	// does not have what the program is for.
	field [2]string
}

// hooks lists every program that must be attached, by name. A program that a
// library drops without an error would be a hole, so Load checks each.
var hooks = []hook{
	{program: safeclawProgGateBprmCheck, typ: ebpf.LSM},
	{program: safeclawProgGateBprmCommitted, typ: ebpf.LSM},
	{program: safeclawProgGateBprmCreds, typ: ebpf.LSM, field: [2]string{"linux_binprm", "is_check"}}, // since 6.14
	{program: safeclawProgGateTaskPrctl, typ: ebpf.LSM},
	{program: safeclawProgGateBprmCommitting, typ: ebpf.LSM},
	{program: safeclawProgGateTaskAlloc, typ: ebpf.LSM},
	{program: plainProgGateTaskFree, typ: ebpf.LSM, only: VariantPlain}, // task storage otherwise
	{program: safeclawProgGateFileOpen, typ: ebpf.LSM},
	{program: safeclawProgGateMmapFile, typ: ebpf.LSM},
	{program: safeclawProgGateFileMprotect, typ: ebpf.LSM},
	{program: safeclawProgGatePathMknod, typ: ebpf.LSM},
	{program: safeclawProgGatePathMkdir, typ: ebpf.LSM},
	{program: safeclawProgGatePathRmdir, typ: ebpf.LSM},
	{program: safeclawProgGatePathUnlink, typ: ebpf.LSM},
	{program: safeclawProgGatePathSymlink, typ: ebpf.LSM},
	{program: safeclawProgGatePathLink, typ: ebpf.LSM},
	{program: safeclawProgGatePathRename, typ: ebpf.LSM},
	{program: safeclawProgGatePathChmod, typ: ebpf.LSM},
	{program: safeclawProgGatePathChown, typ: ebpf.LSM},
	{program: safeclawProgGatePathTruncate, typ: ebpf.LSM},
	{program: safeclawProgGatePathNotify, typ: ebpf.LSM},
	{program: safeclawProgGateFileTruncate, typ: ebpf.LSM, since: "6.2"}, // path_truncate before
	{program: safeclawProgGateFileReceive, typ: ebpf.LSM},
	{program: safeclawProgGateFileIoctl, typ: ebpf.LSM},
	{program: safeclawProgGateFileIoctlCompat, typ: ebpf.LSM, since: "6.8"}, // file_ioctl before
	{program: safeclawProgGateInodeSetattr, typ: ebpf.LSM, arguments: 3},
	{program: safeclawProgGateInodeSetattr2, typ: ebpf.LSM, arguments: 2},
	{program: safeclawProgGateInodeSetxattr, typ: ebpf.LSM},
	{program: safeclawProgGateInodeRemovexattr, typ: ebpf.LSM},
	{program: safeclawProgGateInodeSetAcl, typ: ebpf.LSM, since: "6.2"},       // inode_setxattr before
	{program: safeclawProgGateInodeRemoveAcl, typ: ebpf.LSM, since: "6.2"},    // inode_removexattr before
	{program: safeclawProgGateInodeFileSetattr, typ: ebpf.LSM, since: "6.17"}, // file_ioctl before
	{program: safeclawProgGateSocketConnect, typ: ebpf.LSM},
	{program: safeclawProgGateSocketSendmsg, typ: ebpf.LSM},
	{program: safeclawProgGateUnixStreamConnect, typ: ebpf.LSM},
	{program: safeclawProgGateUnixMaySend, typ: ebpf.LSM},
	{program: safeclawProgGateTaskKill, typ: ebpf.LSM},
	{program: safeclawProgGateTaskSetrlimit, typ: ebpf.LSM},
	{program: safeclawProgGateTaskSetscheduler, typ: ebpf.LSM},
	{program: safeclawProgGateTaskSetnice, typ: ebpf.LSM},
	{program: safeclawProgGateTaskSetioprio, typ: ebpf.LSM},
	{program: safeclawProgGateBpf, typ: ebpf.LSM},
	{program: safeclawProgGatePerfEventOpen, typ: ebpf.LSM, option: "CONFIG_PERF_EVENTS"},
	{program: safeclawProgGateKernelLoadData, typ: ebpf.LSM},
	{program: safeclawProgGateKernelReadFile, typ: ebpf.LSM},
	{program: safeclawProgGateLockedDown, typ: ebpf.LSM},
	{program: safeclawProgGateCapable, typ: ebpf.LSM},
	{program: safeclawProgGateSocketCreate, typ: ebpf.LSM},
	{program: safeclawProgGateMptcpAddSubflow, typ: ebpf.LSM, since: "6.5", field: [2]string{"mptcp_sock", "first"}}, // socket_create before
	{program: safeclawProgGateUringCmd, typ: ebpf.LSM, option: "CONFIG_IO_URING"},
	{program: safeclawProgGateUringOverrideCreds, typ: ebpf.LSM, option: "CONFIG_IO_URING"},
	{program: safeclawProgGateKeyPermission, typ: ebpf.LSM, option: "CONFIG_KEYS"},
	{program: safeclawProgGateSbMount, typ: ebpf.LSM},
	{program: safeclawProgGateSbUmount, typ: ebpf.LSM},
	{program: safeclawProgGateSbKernMount, typ: ebpf.LSM},
	{program: safeclawProgGateSbRemount, typ: ebpf.LSM},
	{program: safeclawProgGateMoveMount, typ: ebpf.LSM},
	{program: safeclawProgGateSbPivotroot, typ: ebpf.LSM},
	{program: safeclawProgGatePathChroot, typ: ebpf.LSM},
	{program: safeclawProgGateUsernsCreate, typ: ebpf.LSM},
	{program: safeclawProgGatePtraceAccessCheck, typ: ebpf.LSM},
	{program: safeclawProgGatePtraceTraceme, typ: ebpf.LSM},
	{program: safeclawProgGateSyslog, typ: ebpf.LSM},
	{program: safeclawProgNoteMount, typ: ebpf.Tracing},
	{program: safeclawProgNoteMountFile, typ: ebpf.Tracing},
	{program: safeclawProgNoteMountStacked, typ: ebpf.Tracing, since: "6.7"}, // mnt_want_write before
	{program: safeclawProgArmForked, typ: ebpf.Tracing},
	{program: safeclawProgInheritBinding, typ: ebpf.Tracing},
	{program: safeclawProgForgetBinding, typ: ebpf.Tracing},
	// Behind the gate's: a hook's newest program is asked first.
	{program: safeclawProgGuardBpf, typ: ebpf.LSM},
	{program: safeclawProgGuardBpfMap, typ: ebpf.LSM},
	{program: safeclawProgGuardBpfProg, typ: ebpf.LSM},
	{program: safeclawProgGuardBpfMapFree, typ: ebpf.LSM, since: "6.9"},
	{program: plainProgGuardBpfMapFreeSecurity, typ: ebpf.LSM, since: "5.7, until 6.8", only: VariantPlain},
	{program: safeclawProgGuardPtraceAccessCheck, typ: ebpf.LSM},
	{program: safeclawProgGuardTaskKill, typ: ebpf.LSM},
	{program: safeclawProgGuardFileSendSigiotask, typ: ebpf.LSM},
	{program: safeclawProgGuardTaskSetrlimit, typ: ebpf.LSM},
	{program: safeclawProgGuardTaskSetscheduler, typ: ebpf.LSM},
	{program: safeclawProgGuardTaskSetnice, typ: ebpf.LSM},
	{program: safeclawProgGuardTaskSetioprio, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeCreate, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeMkdir, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeMknod, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeSymlink, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeUnlink, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeRmdir, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeRename, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeLink, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeSetattr, typ: ebpf.LSM, arguments: 3},
	{program: safeclawProgGuardInodeSetattr2, typ: ebpf.LSM, arguments: 2},
	{program: safeclawProgGuardInodeSetxattr, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeRemovexattr, typ: ebpf.LSM},
	{program: safeclawProgGuardInodeSetAcl, typ: ebpf.LSM, since: "6.2"},       // inode_setxattr before
	{program: safeclawProgGuardInodeRemoveAcl, typ: ebpf.LSM, since: "6.2"},    // inode_removexattr before
	{program: safeclawProgGuardInodeFileSetattr, typ: ebpf.LSM, since: "6.17"}, // file_ioctl before
	{program: safeclawProgGuardFileIoctl, typ: ebpf.LSM},
	{program: safeclawProgGuardFileIoctlCompat, typ: ebpf.LSM, since: "6.8"}, // file_ioctl before
	{program: safeclawProgGuardSbMount, typ: ebpf.LSM},
	{program: safeclawProgGuardMoveMount, typ: ebpf.LSM},
	{program: safeclawProgGuardSbUmount, typ: ebpf.LSM},
	{program: safeclawProgGuardSbRemount, typ: ebpf.LSM},
	{program: safeclawProgGuardUnixStreamConnect, typ: ebpf.LSM},
	{program: safeclawProgGuardUnixMaySend, typ: ebpf.LSM},
	{program: safeclawProgGuardAgentExit, typ: ebpf.Tracing},
}

// kernelTypes is what is asked of the running kernel's own description.
type kernelTypes interface {
	TypeByName(name string, typ any) error
}

// chooseHooks takes out of the collection what the running kernel has no hook
// for, and returns the programs that must be attached.
func chooseHooks(variant Variant, spec *ebpf.CollectionSpec, kernel kernelTypes) ([]hook, error) {
	var out []hook
	for _, h := range hooks {
		if h.only != "" && h.only != variant {
			continue
		}
		p := spec.Programs[h.program]
		if p == nil || p.Type != h.typ {
			return nil, fmt.Errorf("program %s is missing from the embedded object", h.program)
		}
		if name := attachFunction(p); name != "" {
			n, err := functionArguments(kernel, name)
			switch {
			case errors.Is(err, btf.ErrNotFound) && h.since == "" && h.option == "":
				return nil, &UnsupportedError{What: "the kernel has no hook " + p.AttachTo,
					Do: "use a kernel built with CONFIG_SECURITY_PATH=y and CONFIG_BPF_LSM=y", Err: err}
			case errors.Is(err, btf.ErrNotFound), err == nil && h.arguments != 0 && h.arguments != n:
				delete(spec.Programs, h.program)
				continue
			case err != nil:
				return nil, fmt.Errorf("look up hook %s: %w", p.AttachTo, err)
			}
			has, err := hasField(kernel, h.field)
			if err != nil {
				return nil, err
			}
			if !has {
				delete(spec.Programs, h.program)
				continue
			}
		}
		out = append(out, h)
	}
	return out, everyHook(spec, out)
}

// setSubflows tells the programs whether what a connection of MPTCP adds to
// itself is seen; where it is not, they deny MPTCP.
func setSubflows(spec *ebpf.CollectionSpec) error {
	var seen uint32
	if spec.Programs[safeclawProgGateMptcpAddSubflow] != nil {
		seen = 1
	}
	if err := spec.Variables[safeclawVarSubflowsSeen].Set(seen); err != nil {
		return fmt.Errorf("set constants: %w", err)
	}
	return nil
}

// withoutGuards takes out of the collection what only Protect needs.
func withoutGuards(spec *ebpf.CollectionSpec, chosen []hook) []hook {
	return slices.DeleteFunc(chosen, func(h hook) bool {
		guards := strings.HasPrefix(h.program, "guard_")
		if guards {
			delete(spec.Programs, h.program)
		}
		return guards
	})
}

// lacking names the hooks that the running kernel does not have and that other
// hooks cover there, each with the version that brought it.
func lacking(variant Variant, chosen []hook) []string {
	var out []string
	for _, h := range hooks {
		if h.since != "" && (h.only == "" || h.only == variant) && !slices.Contains(chosen, h) {
			if what := fmt.Sprintf("%s (since %s)", h.what(), h.since); !slices.Contains(out, what) {
				out = append(out, what)
			}
		}
	}
	return out
}

// what names the hook that the program is for.
func (h hook) what() string {
	return strings.TrimPrefix(strings.TrimPrefix(h.program, "gate_"), "guard_")
}

// everyHook wants a program for each hook that has variants.
func everyHook(spec *ebpf.CollectionSpec, chosen []hook) error {
	attached := map[string]bool{}
	for _, h := range chosen {
		attached[spec.Programs[h.program].AttachTo] = true
	}
	if !attached["inode_setattr"] {
		return &UnsupportedError{What: "the kernel's hook inode_setattr has other arguments than known",
			Do: "report this with the output of `uname -r`; this kernel is not supported yet"}
	}
	return nil
}

// attachFunction is the kernel function to which a program is attached, empty
// where it is none.
func attachFunction(p *ebpf.ProgramSpec) string {
	switch {
	case p.Type == ebpf.LSM:
		return "bpf_lsm_" + p.AttachTo
	case p.AttachType == ebpf.AttachTraceFEntry:
		return p.AttachTo
	}
	return ""
}

func hasField(kernel kernelTypes, field [2]string) (bool, error) {
	if field[0] == "" {
		return true, nil
	}
	var s *btf.Struct
	if err := kernel.TypeByName(field[0], &s); errors.Is(err, btf.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("look up the kernel's %s: %w", field[0], err)
	}
	return slices.ContainsFunc(s.Members, func(m btf.Member) bool { return m.Name == field[1] }), nil
}

func functionArguments(kernel kernelTypes, name string) (int, error) {
	var f *btf.Func
	if err := kernel.TypeByName(name, &f); err != nil {
		return 0, err
	}
	proto, ok := f.Type.(*btf.FuncProto)
	if !ok {
		return 0, fmt.Errorf("%s is no function", name)
	}
	return len(proto.Params), nil
}

package bench

import (
	"os"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// emptyHooks are the LSM hooks of the gate, each given a program that returns 0.
var emptyHooks = []string{
	"bprm_check_security", "bprm_committed_creds", "task_alloc", "file_open", "mmap_file", "file_mprotect",
	"socket_connect", "unix_stream_connect", "unix_may_send",
	"path_mknod", "path_mkdir", "path_rmdir", "path_unlink", "path_link", "path_rename", "path_chmod", "path_truncate",
	"inode_setattr", "inode_setxattr",
}

// attachEmpty attaches them and returns what removes them again.
func attachEmpty(t *testing.T) func() {
	t.Helper()
	var closers []func() error
	for _, h := range emptyHooks {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: emptyName(h), Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: h, License: "Dual BSD/GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err != nil {
			t.Fatalf("load empty program for %s: %v", h, err)
		}
		l, err := link.AttachLSM(link.LSMOptions{Program: p})
		if err != nil {
			t.Fatalf("attach empty program to %s: %v", h, err)
		}
		closers = append(closers, l.Close, p.Close)
	}
	return func() {
		for _, c := range closers {
			if err := c(); err != nil {
				t.Error(err)
			}
		}
	}
}

func inGroup(f *os.File) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.Fd())}
}

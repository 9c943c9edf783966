package bench

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf"
)

// hookPrograms are the gate's programs by hook, as far as the operations here
// run them in a task that is not gated.
var hookPrograms = map[string]string{
	"file_open": "gate_file_open", "bprm_check_security": "gate_bprm_check", "bprm_committed_creds": "gate_bprm_committed",
	"task_alloc": "gate_task_alloc", "mmap_file": "gate_mmap_file", "socket_connect": "gate_socket_connect",
	"path_mknod": "gate_path_mknod", "path_mkdir": "gate_path_mkdir", "path_rmdir": "gate_path_rmdir",
	"path_unlink": "gate_path_unlink", "path_link": "gate_path_link", "path_rename": "gate_path_rename",
	"path_chmod": "gate_path_chmod", "path_truncate": "gate_path_truncate",
	"inode_setattr": "gate_inode_setattr", "inode_setxattr": "gate_inode_setxattr",
}

// emptyName is the kernel's name of the empty program on a hook: 15 bytes at most.
func emptyName(hook string) string { return ("e_" + hook)[:min(15, len(hook)+2)] }

// perHook runs every operation with the kernel's own accounting of programs
// switched on and returns what a call of each program took on average, in
// instructions, by program name. The accounting's cost is in every figure.
func perHook(t *testing.T, ops []operationCase) map[string]float64 {
	t.Helper()
	stats, err := ebpf.EnableStats(0) // BPF_STATS_RUN_TIME
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stats.Close() }()
	for _, o := range ops {
		run1(t, nil, o)
	}
	out := map[string]float64{}
	for id := ebpf.ProgramID(0); ; {
		if id, err = ebpf.ProgramGetNextID(id); errors.Is(err, os.ErrNotExist) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			t.Fatal(err)
		}
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		st, err := p.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if st.RunCount > 100 {
			out[info.Name] = float64(st.Runtime.Nanoseconds()) / float64(st.RunCount)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// printHooks prints and budgets the cost of each hook beyond an empty program.
func printHooks(t *testing.T, empty, gate map[string]float64) {
	t.Helper()
	costs := map[string]int64{}
	fmt.Printf("BENCH\nBENCH | hook, ungated task | empty program | gate | more |\nBENCH |---|---|---|---|\n")
	for _, h := range emptyHooks {
		e, g := empty[emptyName(h)], gate[hookPrograms[h]]
		if e == 0 || g == 0 {
			continue
		}
		fmt.Printf("BENCH | %s | %.0f | %.0f | %.0f |\n", h, e, g, g-e)
		costs[h] = int64(g - e)
	}
	fmt.Printf("BENCH\n")
	for _, h := range emptyHooks {
		if c, ok := costs[h]; ok {
			budget(t, "ungated "+h+" beyond an empty program", c, 110)
		}
	}
}

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/cgroup"
	"github.com/authensor/safeclaw-node-agent/pkg/loader"
)

// Check is one line of the doctor's report.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`       // what was found
	Do     string `json:"do,omitempty"` // what to do about it
}

// KernelRelease is uname -r.
func KernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// Doctor finds out whether this machine enforces, by trying. It changes nothing
// that outlives it.
func Doctor(ctx context.Context) []Check {
	return []Check{
		checkKernel(), checkRoot(), checkLSM(), checkBTF(), checkCgroup(), checkProbe(), checkPrograms(ctx),
	}
}

// Healthy reports whether every check passed.
func Healthy(cs []Check) bool {
	for _, c := range cs {
		if !c.OK {
			return false
		}
	}
	return true
}

func result(name, found string, err error) Check {
	c := Check{Name: name, OK: err == nil, Detail: found}
	if err != nil {
		c.Detail = err.Error()
		var u *loader.UnsupportedError
		if errors.As(err, &u) {
			c.Do = u.Do
		}
	}
	return c
}

func checkKernel() Check {
	rel := KernelRelease()
	var major, minor int
	_, err := fmt.Sscanf(rel, "%d.%d", &major, &minor)
	c := Check{Name: "kernel", OK: true, Detail: rel + " " + runtime.GOARCH}
	// The argument of task_alloc, userns_create and bpf_dynptr_write are 6.1's or later.
	if err == nil && (major < 6 || major == 6 && minor < 1) {
		c.OK, c.Do = false, "use a kernel from 6.1 on; tested are Debian's 6.1, 6.12, 6.18 and 7.3"
	}
	return c
}

func checkRoot() Check {
	if os.Geteuid() == 0 {
		return Check{Name: "privileges", OK: true, Detail: "root"}
	}
	return Check{Name: "privileges", Detail: fmt.Sprintf("uid %d", os.Geteuid()), Do: "run as root (sudo)"}
}

func checkLSM() Check {
	lsms, err := loader.ActiveLSMs()
	if err == nil {
		err = loader.CheckActive()
	} else {
		err = &loader.UnsupportedError{What: err.Error(), Do: "mount -t securityfs securityfs /sys/kernel/security, as root"}
	}
	return result("active LSMs", strings.Join(lsms, ","), err)
}

func checkBTF() Check { return result("kernel BTF", "/sys/kernel/btf/vmlinux", loader.CheckBTF()) }

func checkCgroup() Check {
	m, err := cgroup.Mount("/proc/self/mountinfo")
	c := result("cgroup v2", m, err)
	if err != nil {
		c.Do = "mount -t cgroup2 cgroup2 /sys/fs/cgroup, or boot with systemd.unified_cgroup_hierarchy=1"
	}
	return c
}

// checkProbe sees a real program deny a real action of this thread.
func checkProbe() Check {
	c := result("probe", "a program was loaded, attached and seen to deny", loader.ProbeDeny())
	if !c.OK && c.Do == "" {
		c.Do = "run as root; then see the message"
	}
	return c
}

// checkPrograms loads and attaches the whole set, bound to nothing.
func checkPrograms(ctx context.Context) Check {
	g, err := loader.Load(ctx, loader.Options{Protect: true})
	if err != nil {
		return result("programs", "", err)
	}
	found := "all hooks load and attach"
	if l := g.Lacks(); len(l) > 0 {
		found += "; covered by others, since this kernel has no " + strings.Join(l, ", ")
	}
	if g.Variant() == loader.VariantPlain {
		found += "; plain programs, for kernels before 6.10: docs/architecture.md, Kernels"
	}
	return result("programs", found, g.Close())
}

package loader

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// TestLoadError: whatever the kernel has against a program, nothing is enforced:
// the error says so to callers, and to an operator what to do.
func TestLoadError(t *testing.T) {
	for _, c := range []struct {
		err  error
		says string
	}{
		{fmt.Errorf("program gate_file_open: load program: %w", unix.EPERM), "hardened kernels"},
		{fmt.Errorf("program gate_file_open: load program: %w", &ebpf.VerifierError{Cause: unix.EACCES, Log: []string{"R0 is not in range"}}), "not supported yet"},
	} {
		err := loadError(c.err)
		var u *UnsupportedError
		if !errors.Is(err, ErrNotSupported) || !errors.As(err, &u) {
			t.Fatalf("%v: %v", c.err, err)
		}
		if !strings.Contains(u.Do, c.says) || !strings.Contains(err.Error(), "gate_file_open") {
			t.Errorf("%v: %v; do: %s", c.err, err, u.Do)
		}
	}
}

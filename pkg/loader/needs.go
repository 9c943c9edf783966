package loader

import (
	"fmt"
	"slices"
	"strings"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// enforced are the needs of tables that the BPF programs meet.
var enforced = []string{"exe", "command", "dns", needCut}

// needCut is the need that not every kernel meets: see Gate.enforceable.
const needCut = "connections: cut"

// relaxed are the relaxations that the BPF programs know: one of what they do
// not deny would say something that is not so.
var relaxed = []string{
	"mount", "pivot_root", "chroot", "userns", "ptrace",
	"perf", "io_uring", "raw_sockets", "packet_sockets", "vsock", "af_alg", "netlink", "sctp", "keyrings",
	"kernel_files", "kernel_log", "block_devices", "devices", "mknod",
}

// NotEnforcedError says that a policy relies on parts of the language that the
// BPF programs of this version do not enforce. It is refused as a whole: half
// a policy enforces something that nobody wrote.
type NotEnforcedError struct{ Needs []string }

func (e *NotEnforcedError) Error() string {
	return fmt.Sprintf("the policy uses %s, which this version does not enforce yet; leave it out, or use a later version", strings.Join(e.Needs, ", "))
}

// Enforceable returns a NotEnforcedError for tables that need what the BPF
// programs do not know.
func Enforceable(t *policy.Tables) error {
	var unknown []string
	for _, n := range t.Needs {
		name, relaxes := strings.CutPrefix(n, policy.NeedBuiltin)
		if relaxes && slices.Contains(relaxed, name) || slices.Contains(enforced, n) {
			continue
		}
		unknown = append(unknown, n)
	}
	if len(unknown) > 0 {
		return &NotEnforcedError{Needs: unknown}
	}
	return nil
}

// enforceable says what this kernel cannot enforce of tables.
func (g *Gate) enforceable(t *policy.Tables) error {
	if err := Enforceable(t); err != nil {
		return err
	}
	if slices.Contains(t.Needs, needCut) && g.variant == VariantPlain {
		return &UnsupportedError{What: "this kernel cannot end connections, which the policy wants (connections: cut)",
			Do: "use a kernel from 6.10 on, or connections: keep", Err: &NotEnforcedError{Needs: []string{needCut}}}
	}
	return nil
}

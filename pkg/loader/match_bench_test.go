package loader

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/authensor/safeclaw-node-agent/pkg/policy"
)

// BenchmarkMatcher times the BPF matcher with n rules for literal directories:
// on an 80-byte path below the last of them, and on one that none names.
func BenchmarkMatcher(b *testing.B) {
	coll := newMatcher(b).coll
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		p, last := literalPolicy(b, n)
		tab, err := policy.Compile(p, policy.Options{})
		if err != nil {
			b.Fatal(err)
		}
		m := &matcher{coll: coll, place: 0}
		if tab.SizeClass() > policy.SmallTable {
			m.place = placesSmall
		}
		if err := m.install(tab); err != nil {
			b.Fatal(err)
		}
		for _, tt := range []struct{ name, path string }{
			{"named", last + strings.Repeat("/y", 20)},
			{"other", "/srv/data/" + strings.Repeat("z", 40) + strings.Repeat("/y", 15)},
		} {
			path := tt.path[:80]
			b.Run(fmt.Sprintf("rules=%d/%s", n, tt.name), func(b *testing.B) {
				subject := policy.PathSubject(false, path)
				before := m.stats(b)
				for b.Loop() {
					if _, err := m.match(policy.KindRead, subject, policy.Classes{}); err != nil {
						b.Fatal(err)
					}
				}
				after := m.stats(b)
				b.ReportMetric(float64(after.Runtime-before.Runtime)/float64(after.RunCount-before.RunCount), "ns/run")
				b.ReportMetric(float64(len(tab.Blob)), "table-bytes")
			})
		}
	}
}

// stats are the kernel's own times of the program, without the system call.
func (m *matcher) stats(b *testing.B) *ebpf.ProgramStats {
	b.Helper()
	st, err := m.coll.Programs["run_match"].Stats()
	if err != nil {
		b.Fatal(err)
	}
	return st
}

// literalPolicy has n rules for directories with random names of 32 digits. It
// returns the path of the last one as well.
func literalPolicy(tb testing.TB, n int) (*policy.Policy, string) {
	tb.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	var out *policy.Policy
	last := ""
	for i := 0; i < n; {
		var src strings.Builder
		src.WriteString("version: 1\nrules:\n")
		// A document holds at most 256 KiB, so several of them give their rules.
		for end := min(n, i+2000); i < end; i++ {
			last = fmt.Sprintf("/srv/data/%016x%016x", rng.Uint64(), rng.Uint64())
			fmt.Fprintf(&src, "  - {action: file.read, path: %s/**, decision: allow}\n", last)
		}
		p, err := policy.Parse("policy", []byte(src.String()))
		if err != nil {
			tb.Fatal(err)
		}
		if out == nil {
			out = p
			continue
		}
		out.Rules = append(out.Rules, p.Rules...)
	}
	return out, last
}

// TestMatcherComplexity: what the verifier reads of the matcher leaves room for
// the programs that call it, of the million instructions that it looks at.
func TestMatcherComplexity(t *testing.T) {
	info, err := newMatcher(t).coll.Programs["run_match"].Info()
	if err != nil {
		t.Fatal(err)
	}
	n, ok := info.VerifiedInstructions()
	if !ok {
		t.Skip("kernel lacks: the number of verified instructions")
	}
	t.Logf("%d instructions verified", n)
	if n > 100_000 {
		t.Errorf("the verifier reads %d instructions", n)
	}
}

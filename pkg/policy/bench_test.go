package policy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// manyRules returns a policy with n rules, most of them literal directories.
func manyRules(n int) []byte {
	var b strings.Builder
	b.WriteString("version: 1\nrules:\n")
	for i := range n {
		switch i % 10 {
		case 0:
			fmt.Fprintf(&b, "  - {action: file.write, path: /srv/out/%d/**, decision: allow}\n", i)
		case 1:
			fmt.Fprintf(&b, "  - {action: process.exec, path: /opt/tools/t%d, decision: allow}\n", i)
		case 2:
			fmt.Fprintf(&b, "  - {action: network.request, host: {endsWith: .svc%d.example.com}, decision: allow}\n", i)
		case 3:
			fmt.Fprintf(&b, "  - {action: network.request, cidr: 10.%d.%d.0/24, port: 443, decision: allow}\n", i/1000%100, i/10%100)
		case 4:
			fmt.Fprintf(&b, "  - {action: file.read, path: '*.k%d', decision: deny}\n", i%7)
		default:
			fmt.Fprintf(&b, "  - {action: file.read, path: /srv/data/%d/**, decision: allow}\n", i)
		}
	}
	return []byte(b.String())
}

func BenchmarkCompile(b *testing.B) {
	sources := map[string][]byte{"reference": referenceSource(b), "rules=100": manyRules(100), "rules=1000": manyRules(1000)}
	for _, name := range []string{"reference", "rules=100", "rules=1000"} {
		b.Run(name, func(b *testing.B) {
			var t *Tables
			for b.Loop() {
				p, err := Parse("bench.yaml", sources[name])
				if err != nil {
					b.Fatal(err)
				}
				if t, err = Compile(p, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(t.Blob)), "table-bytes")
		})
	}
}

// literalNames make the directory names of literalRules.
var literalNames = []struct {
	name string
	make func(*rand.Rand) string
}{{"hex8", hex8}, {"hex32", hex32}, {"uuid", uuid}}

// BenchmarkCompileLiterals compiles 10,000 rules for directories with dissimilar
// names. peak-MiB is the most memory that the process had resident so far.
func BenchmarkCompileLiterals(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for _, names := range literalNames {
			p := literalRules(b, n, "", names.make)
			b.Run(fmt.Sprintf("rules=%d/%s", n, names.name), func(b *testing.B) {
				var t *Tables
				for b.Loop() {
					var err error
					if t, err = Compile(p, Options{}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(t.Blob)), "table-bytes")
				b.ReportMetric(peakMiB(b), "peak-MiB")
			})
		}
	}
}

func peakMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")))
			if err != nil {
				b.Fatal(err)
			}
			return float64(n) / 1024
		}
	}
	b.Fatal("the kernel does not say how much memory was resident")
	return 0
}

// BenchmarkMatchRules matches 80-byte paths, one below the last rule's directory
// and one that no rule names, with more and more rules.
func BenchmarkMatchRules(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000, 10_000} {
		p := literalRules(b, n, "", hex32)
		t, err := Compile(p, Options{})
		if err != nil {
			b.Fatal(err)
		}
		last := p.Rules[n-1].Path.Conditions[0].paths[0].components
		named := "/srv/data/"
		for _, tok := range last[2].tokens {
			named += string(tok.b)
		}
		for _, path := range []struct{ name, path string }{
			{"named", named + strings.Repeat("/y", 20)},
			{"other", "/srv/data/" + strings.Repeat("z", 40) + strings.Repeat("/y", 15)},
		} {
			subject := PathSubject(false, path.path[:80])
			b.Run(fmt.Sprintf("rules=%d/%s", n, path.name), func(b *testing.B) {
				for b.Loop() {
					t.Match(KindRead, subject)
				}
			})
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	t := mustCompile(b, string(referenceSource(b)), Options{})
	for _, n := range []int{16, 80, 200} {
		path := "/app/data" + strings.Repeat("/component", n)[:n-len("/app/data")]
		subject := PathSubject(true, path)
		b.Run(fmt.Sprintf("path=%d", n), func(b *testing.B) {
			for b.Loop() {
				t.Match(KindRead, subject)
			}
		})
	}
	subject := PathSubject(false, "/usr/lib/python3.11/site-packages/requests/__pycache__/api.cpython-311.pyc")
	b.Run("baseline", func(b *testing.B) {
		for b.Loop() {
			t.Match(KindRead, subject)
		}
	})
}
